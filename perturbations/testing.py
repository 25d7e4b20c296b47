"""Contract tests of targets and weightings, for packages that provide their own; needs pytest.

In a test file of your package, once it is installed::

    from perturbations.testing import TargetContract

    class TestMyGAN(TargetContract):
        architecture = "mygan"

    class TestMyRule(WeightingContract):
        weighting = "myrule"
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from perturbations.checkpoints import identify, load_checkpoint, save_checkpoint
from perturbations.errors import UnknownName
from perturbations.targets import Layout, Target, architecture
from perturbations.weighting import Signals, weighting


def seeded(name: str) -> Target:
    """The small target of an architecture, the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cls = architecture(name)
        return cls.from_config(cls.small)


class TargetContract:
    """What every registered architecture promises."""

    architecture: ClassVar[str]
    """The name in the registry."""

    @pytest.fixture
    def name(self) -> str:
        """The architecture under test."""
        return self.architecture

    @pytest.fixture
    def target(self, name: str) -> Target:
        """Its small target, or the test is skipped and says which optional library is missing."""
        if (reason := architecture(name).unavailable()) is not None:
            pytest.skip(f"{name} {reason}")
        return seeded(name)

    @pytest.fixture
    def faces(self, target: Target) -> Tensor:
        """Two seeded images of the size the target takes, ``[2, 3, H, W]`` in [-1, 1]."""
        noise = torch.Generator().manual_seed(1)
        return torch.rand(2, 3, target.image_size, target.image_size, generator=noise) * 2 - 1

    def test_outputs_are_images_and_taps_are_batched(self, target: Target, faces: Tensor) -> None:
        for edit in target.edits:
            output, tap = target.manipulate(faces, edit)
            assert output.shape == faces.shape
            assert output.abs().max() <= 1
            assert tap.shape[0] == faces.shape[0]
            assert tap.isfinite().all()
            assert torch.equal(target(faces, edit), output)
            assert torch.equal(target.features(faces, edit), tap)
            assert target.mask_reference(faces, edit).shape == faces.shape

    def test_an_edit_fixes_all_that_is_free_in_it(self, name: str, target: Target, faces: Tensor) -> None:
        first, second = target, seeded(name)
        for edit in first.edits:
            once = first(faces, edit)
            torch.manual_seed(99)
            assert torch.equal(second(faces, edit), once)

    def test_edits_differ_from_one_another(self, target: Target, faces: Tensor) -> None:
        outputs = [target(faces, edit) for edit in target.edits]
        assert (len(outputs) == 1) == target.single_edit
        assert all((a - b).abs().max() > 1e-4 for i, a in enumerate(outputs) for b in outputs[:i])

    def test_an_image_is_manipulated_the_same_alone_and_in_a_batch(self, target: Target, faces: Tensor) -> None:
        edit = target.edits[0]
        torch.testing.assert_close(target(faces, edit)[1:], target(faces[1:], edit), rtol=1e-4, atol=1e-5)

    def test_several_edits_together_are_those_one_by_one(self, target: Target, faces: Tensor) -> None:
        many = faces.repeat(8, 1, 1, 1)  # of 32x32, two edits fit into one pass, and the small targets have up to three
        with torch.inference_mode():
            for x in (faces, many):
                for edit, output in zip(target.edits, target.outputs(x, target.edits), strict=True):
                    for one in (0, -1):
                        torch.testing.assert_close(output[one], target(x[one][None], edit)[0], rtol=0, atol=1e-5)

    def test_gradients_reach_the_input_and_no_parameter(self, target: Target, faces: Tensor) -> None:
        faces.requires_grad_()
        for part in ("output", "tap"):
            for edit in target.edits:
                value: Tensor = getattr(target.manipulate(faces, edit), part)
                (gradient,) = torch.autograd.grad(value.square().mean(), faces)
                assert gradient.isfinite().all()
                assert (gradient.flatten(1).abs().sum(1) > 0).all(), f"{part} of {edit}"
        assert not any(parameter.requires_grad for parameter in target.parameters())
        assert not target.training

    def test_a_pass_changes_no_state(self, target: Target, faces: Tensor) -> None:
        before = {key: value.clone() for key, value in target.state_dict().items()}
        target(faces, target.edits[0])
        assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())

    def test_unknown_edits_are_named_with_those_that_exist(self, target: Target, faces: Tensor) -> None:
        with pytest.raises(UnknownName, match=target.edits[0]):
            target(faces, "no such edit")

    def test_configurations_survive_json(self, name: str, target: Target) -> None:
        config = target.config
        again = architecture(name).from_config(json.loads(json.dumps(config))).config
        assert json.dumps(again) == json.dumps(config)

    def test_configurations_refuse_unknown_and_missing_fields(self, name: str) -> None:
        cls = architecture(name)
        with pytest.raises(TypeError):
            cls.from_config({**cls.small, "colour": 1})
        with pytest.raises(TypeError):
            cls.from_config({key: value for key, value in cls.small.items() if key != "edits"})
        with pytest.raises(ValueError, match="at least one edit"):
            cls.from_config({**cls.small, "edits": {}})

    def test_a_saved_target_loads_as_itself(self, target: Target, faces: Tensor, tmp_path: Path) -> None:
        save_checkpoint(target, tmp_path / "target.safetensors", extra={"licence": "CC0-1.0"})
        loaded = load_checkpoint(tmp_path / "target.safetensors")
        assert type(loaded) is type(target)
        assert json.dumps(loaded.config) == json.dumps(target.config)
        for edit in target.edits:
            # half precision of the weights is all that differs
            torch.testing.assert_close(loaded(faces, edit), target(faces, edit), rtol=0.05, atol=0.05)
        assert all(value.dtype == torch.float32 for value in loaded.generator.parameters())

    def test_a_bare_state_dict_is_recognised(self, name: str, target: Target) -> None:
        state = target.generator.state_dict()
        found, config = identify(state)
        assert found == name
        with torch.device("meta"):
            rebuilt = architecture(name).from_config(config)
        assert Layout.of(rebuilt.generator.state_dict()) == Layout.of(state)

    def test_details_its_layout_does_not_show_can_be_given(self, name: str, target: Target) -> None:
        cls, (_, config) = architecture(name), identify(target.generator.state_dict())
        assert set(cls.missing_details(config)) <= {"image_size", "edits"}
        edits = cls.label_edits(config)
        named = [f"named_{i}" for i in range(len(edits))]
        told = dict(zip(named, edits.values(), strict=True)) if isinstance(edits, Mapping) else named
        with torch.device("meta"):
            assert cls.from_config({**config, "edits": told}).edits == tuple(named)
            if (published := cls.published_edits(config)) is not None:
                assert cls.from_config({**config, "edits": published}).edits

    def test_a_missing_or_extra_tensor_does_not_load(self, target: Target) -> None:
        state = dict(target.generator.state_dict())
        with pytest.raises(RuntimeError, match="stranger"):
            target.load_generator({**state, "stranger": torch.zeros(1)})
        weight = next(key for key in state if key.endswith("weight"))
        with pytest.raises(RuntimeError, match=weight):
            target.load_generator({key: value for key, value in state.items() if key != weight})


def signals(losses: Tensor, *, effect: Tensor | None = None) -> Signals:
    """What one step says of as many targets as there are losses, half of whose faces are interrupted."""
    count = len(losses)
    return Signals(
        losses=losses,
        effect=torch.full((count,), 0.01) if effect is None else effect,
        success=torch.full((count,), 0.5),
    )


class WeightingContract:
    """What every weighting promises."""

    weighting: ClassVar[str]
    """The name in the registry."""

    @pytest.fixture
    def rule(self) -> str:
        """The weighting under test."""
        return self.weighting

    @pytest.mark.parametrize("losses", [[-0.2], [-0.9, -0.1, -0.4], [-3.0, 0.0, -1e-6, -0.5, -2.0], [-0.2] * 4])
    def test_shares_are_not_negative_and_one_in_sum(self, rule: str, losses: list[float]) -> None:
        shares = settled(rule, signals(torch.tensor(losses)))
        assert shares.shape == (len(losses),)
        assert bool((shares >= 0).all())
        assert float(shares.sum()) == pytest.approx(1.0)

    def test_shares_are_of_the_type_of_the_losses(self, rule: str) -> None:
        given = signals(torch.tensor([-0.5, -0.1]))
        assert settled(rule, given).dtype == given.losses.dtype

    def test_equal_targets_get_equal_shares(self, rule: str) -> None:
        shares = settled(rule, signals(torch.full((4,), -0.2)))
        torch.testing.assert_close(shares, torch.full((4,), 0.25))

    def test_the_order_of_targets_does_not_matter(self, rule: str) -> None:
        order = torch.tensor([2, 0, 1])
        losses, effect = torch.tensor([-0.9, -0.1, -0.4]), torch.tensor([0.2, 0.01, 0.06])
        plain = settled(rule, signals(losses, effect=effect))
        moved = settled(rule, signals(losses[order], effect=effect[order]))
        torch.testing.assert_close(moved, plain[order])

    def test_a_batch_in_which_nothing_was_manipulated_breaks_nothing(self, rule: str) -> None:
        nothing = Signals(losses=torch.tensor([-0.5, 0.0]), effect=torch.tensor([0.01, torch.nan]))
        shares = settled(rule, nothing)
        assert bool(shares.isfinite().all())

    def test_state_travels(self, rule: str) -> None:
        first, other = signals(torch.tensor([-1.0, -0.1])), signals(torch.tensor([-0.2, -0.7]))
        before, after = weighting(rule, targets=2), weighting(rule, targets=2)
        before(first)
        before(other)
        after.load_state_dict(before.state_dict())
        torch.testing.assert_close(after(first), before(first))

    def test_a_weighting_needs_a_target(self, rule: str) -> None:
        with pytest.raises(ValueError, match="at least one"):
            weighting(rule, targets=0)


def settled(rule: str, given: Signals, *, steps: int = 200) -> Tensor:
    """The shares after seeing the same signals for a long time."""
    weigh = weighting(rule, targets=len(given.losses))
    for _ in range(steps):
        shares = weigh(given)
    return shares
