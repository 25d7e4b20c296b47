"""What every registered architecture promises; a new one is tested by being registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from perturbations.errors import UnknownName
from perturbations.targets import Layout, Target, architecture, identify, load_checkpoint, names, save_checkpoint

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]

every_architecture = pytest.mark.parametrize("name", names())


@every_architecture
def test_outputs_are_images_and_taps_are_batched(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    x = faces(target)
    for edit in target.edits:
        output, tap = target.manipulate(x, edit)
        assert output.shape == x.shape
        assert output.abs().max() <= 1
        assert tap.shape[0] == x.shape[0]
        assert tap.isfinite().all()
        assert torch.equal(target(x, edit), output)
        assert torch.equal(target.features(x, edit), tap)
        assert target.mask_reference(x, edit).shape == x.shape


@every_architecture
def test_an_edit_fixes_all_that_is_free_in_it(name: str, small: Small, faces: Faces) -> None:
    first, second = small(name), small(name)
    x = faces(first)
    for edit in first.edits:
        once = first(x, edit)
        torch.manual_seed(99)
        assert torch.equal(second(x, edit), once)


@every_architecture
def test_edits_differ_from_one_another(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    outputs = [target(faces(target), edit) for edit in target.edits]
    assert len(outputs) > 1
    assert all((a - b).abs().max() > 1e-4 for i, a in enumerate(outputs) for b in outputs[:i])


@every_architecture
def test_an_image_is_manipulated_the_same_alone_and_in_a_batch(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    x = faces(target)
    edit = target.edits[0]
    torch.testing.assert_close(target(x, edit)[1:], target(x[1:], edit), rtol=1e-4, atol=1e-5)


@every_architecture
def test_gradients_reach_the_input_and_no_parameter(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    x = faces(target).requires_grad_()
    for part in ("output", "tap"):
        for edit in target.edits:
            value: Tensor = getattr(target.manipulate(x, edit), part)
            (gradient,) = torch.autograd.grad(value.square().mean(), x)
            assert gradient.isfinite().all()
            assert (gradient.flatten(1).abs().sum(1) > 0).all(), f"{part} of {edit}"
    assert not any(parameter.requires_grad for parameter in target.parameters())
    assert not target.training


@every_architecture
def test_a_pass_changes_no_state(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    target(faces(target), target.edits[0])
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


@every_architecture
def test_unknown_edits_are_named_with_those_that_exist(name: str, small: Small, faces: Faces) -> None:
    target = small(name)
    with pytest.raises(UnknownName, match=target.edits[0]):
        target(faces(target), "no such edit")


@every_architecture
def test_configurations_survive_json(name: str, small: Small) -> None:
    config = small(name).config
    again = architecture(name).from_config(json.loads(json.dumps(config))).config
    assert json.dumps(again) == json.dumps(config)


@every_architecture
def test_configurations_refuse_unknown_and_missing_fields(name: str) -> None:
    cls = architecture(name)
    with pytest.raises(TypeError):
        cls.from_config({**cls.small, "colour": 1})
    with pytest.raises(TypeError):
        cls.from_config({key: value for key, value in cls.small.items() if key != "edits"})
    with pytest.raises(ValueError, match="at least one edit"):
        cls.from_config({**cls.small, "edits": {}})


@every_architecture
def test_a_saved_target_loads_as_itself(name: str, small: Small, faces: Faces, tmp_path: Path) -> None:
    target = small(name)
    save_checkpoint(target, tmp_path / "target.safetensors", extra={"licence": "CC0-1.0"})
    loaded = load_checkpoint(tmp_path / "target.safetensors")
    assert type(loaded) is type(target)
    assert json.dumps(loaded.config) == json.dumps(target.config)
    x = faces(target)
    for edit in target.edits:
        # half precision of the weights is all that differs
        torch.testing.assert_close(loaded(x, edit), target(x, edit), rtol=0.05, atol=0.05)
    assert all(value.dtype == torch.float32 for value in loaded.generator.parameters())


@every_architecture
def test_a_bare_state_dict_is_recognised(name: str, small: Small) -> None:
    target = small(name)
    state = target.generator.state_dict()
    found, config = identify(state)
    assert found == name
    with torch.device("meta"):
        rebuilt = architecture(name).from_config(config)
    assert Layout.of(rebuilt.generator.state_dict()) == Layout.of(state)


@every_architecture
def test_a_missing_or_extra_tensor_does_not_load(name: str, small: Small) -> None:
    target = small(name)
    state = dict(target.generator.state_dict())
    with pytest.raises(RuntimeError, match="stranger"):
        target.load_generator({**state, "stranger": torch.zeros(1)})
    weight = next(key for key in state if key.endswith("weight"))
    with pytest.raises(RuntimeError, match=weight):
        target.load_generator({key: value for key, value in state.items() if key != weight})


def test_unknown_architectures_are_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="attentiongan, attgan, hisd, stargan"):
        architecture("pix2pix")
