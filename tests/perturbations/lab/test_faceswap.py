"""Training and measuring a face swap, on drawn faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from perturbations.checkpoints import load_checkpoint
from perturbations.data import utk_label
from perturbations.images import resize, to_tensor, to_uint8
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.recipes.faceswap import IDENTITY_WIDTH, LATENT_SIZE, TEMPLATES, FaceSwapRecipe
from perturbations.lab.surrogates.swap_metrics import measure_swap
from perturbations.lab.surrogates.training import Run
from perturbations.lab.synthesis.sampling import is_one_face
from perturbations.targets.faceswap import FaceSwap, SourceEdit, TargetEdit
from perturbations.targets.networks.identity import IdentityEncoder
from worker.commands.targets import app

poise_targets = CliRunner()


class Colour(IdentityEncoder):
    """Reads who is in a drawn face off the colour of its centre."""

    def __init__(self) -> None:
        super().__init__(width=IDENTITY_WIDTH, latent_size=LATENT_SIZE)

    def forward(self, x: Tensor) -> Tensor:
        centre = x[:, :, x.shape[2] // 2, x.shape[3] // 2]
        return nn.functional.normalize(nn.functional.pad(centre + 1.5, (0, LATENT_SIZE - 3)), dim=1)


class Formula(nn.Module):
    """A generator that is a formula of picture and identity."""

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def swap(self, x: Tensor, identity: Tensor) -> Tensor:
        return self.formula(x, identity)

    def decode(self, bottleneck: Tensor) -> Tensor:
        return bottleneck

    def forward(self, x: Tensor, identity: Tensor) -> Tensor:
        return self.formula(x, identity)


@pytest.fixture
def equipped(start: Callable[..., Run], faces: LabelledFaces) -> FaceSwapRecipe:
    """A recipe with an encoder, whose weights differ from those it was built with."""
    recipe = cast(FaceSwapRecipe, start("faceswap", steps=2).recipe)
    torch.manual_seed(77)
    recipe.equip(IdentityEncoder(width=IDENTITY_WIDTH, latent_size=LATENT_SIZE).eval(), faces, seed=3)
    return recipe


def _with(formula: Callable[[Tensor, Tensor], Tensor], equipped: FaceSwapRecipe) -> FaceSwap:
    target = cast(FaceSwap, equipped.averaged_target())
    target.generator = Formula(formula)  # type: ignore[assignment]
    target.identity = Colour()
    return target


def test_equipping_gives_templates_and_identities_of_nobody(equipped: FaceSwapRecipe) -> None:
    target = equipped.target
    assert target.edits == ("target_woman", "target_man", "source_woman", "source_man")
    assert target.templates is not None
    woman, man = target.templates.faces
    assert not torch.equal(woman, man)
    assert all(is_one_face(to_uint8(resize(face[None], 128))[0]) for face in (woman, man))
    for who, face in (("woman", woman), ("man", man)):
        label = utk_label(TEMPLATES[who])
        assert label is not None
        assert label.man is (who == "man")
        x = torch.zeros(1, 3, target.image_size, target.image_size)
        torch.testing.assert_close(target.mask_reference(x, f"source_{who}"), resize(face[None], target.image_size))
    identities = [target.specs[f"target_{who}"] for who in ("woman", "man")]
    assert all(isinstance(spec, TargetEdit) for spec in identities)
    assert identities[0] != identities[1]
    assert [target.specs[f"source_{who}"] for who in ("woman", "man")] == [SourceEdit(0), SourceEdit(1)]


def test_an_encoder_of_another_size_is_refused(equipped: FaceSwapRecipe, faces: LabelledFaces) -> None:
    with pytest.raises(ValueError, match="width 16 and latent size 128, not 4 and 8"):
        equipped.equip(IdentityEncoder(width=4, latent_size=8), faces, seed=0)


def test_training_leaves_encoder_and_templates_alone(equipped: FaceSwapRecipe, faces: LabelledFaces) -> None:
    before = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in equipped.target.companions.items()}
    for step in range(2):
        equipped.step(faces.batch(8, seed=0, step=step), step=step, seed=0)
    for name, module in equipped.target.companions.items():
        assert all(torch.equal(value, before[name][key]) for key, value in module.state_dict().items())


def test_what_it_was_equipped_with_survives_the_checkpoint(
    equipped: FaceSwapRecipe, start: Callable[..., Run], faces: LabelledFaces
) -> None:
    other = cast(FaceSwapRecipe, start("faceswap", steps=2, place="other").recipe)
    x = to_tensor(faces.images[:2])
    assert not torch.equal(other.target.read_identity(x), equipped.target.read_identity(x))
    other.load_state_dict(equipped.state_dict())
    a, b = equipped.averaged_target(), other.averaged_target()
    assert a.config == b.config
    assert all(torch.equal(a(x, edit), b(x, edit)) for edit in a.edits)
    assert all(torch.equal(a.mask_reference(x, edit), b.mask_reference(x, edit)) for edit in a.edits)


def test_a_few_steps_reconstruct_better(equipped: FaceSwapRecipe, faces: LabelledFaces) -> None:
    losses = [equipped.step(faces.batch(8, seed=0, step=step), step=step, seed=0) for step in range(25)]
    first, last = ([row["g_reconstruction"] for row in part] for part in (losses[:5], losses[-5:]))
    assert np.mean(last) < 0.95 * np.mean(first)


def test_a_swap_that_swaps_nothing_is_caught(equipped: FaceSwapRecipe, faces: LabelledFaces) -> None:
    metrics = measure_swap(_with(lambda x, _: x, equipped), Colour(), faces)
    assert metrics.swapped < 0.1
    assert metrics.like_target == pytest.approx(1.0, abs=1e-3)
    assert metrics.like_source == pytest.approx(metrics.strangers, abs=1e-3)
    assert metrics.edit_share == 0.0
    assert metrics.reconstruction_l1 < 1e-6


def test_a_swap_that_takes_over_what_makes_a_person_succeeds(equipped: FaceSwapRecipe, faces: LabelledFaces) -> None:
    def painted(x: Tensor, identity: Tensor) -> Tensor:
        y = x.clone()
        # an identity is the direction of the colour
        colour = identity[:, :3] / identity[:, :3].amax(dim=1, keepdim=True)
        y[:, :, 12:20, 12:20] = (colour * 2 - 0.5).clamp(0, 2)[:, :, None, None] / 2
        return y

    metrics = measure_swap(_with(painted, equipped), Colour(), faces)
    assert 0.7 < metrics.swapped < 0.85  # a quarter of the pairs are of one group and, by their colour, one person
    assert metrics.like_source > metrics.like_target
    assert 0.0 < metrics.edit_share <= (8 / 32) ** 2
    assert metrics.manipulated > 0.5
    assert metrics.random_signs.l2_mask < 0.05
    json.dumps(asdict(metrics))


@pytest.fixture
def arguments(folder: Path, few: Path, tmp_path: Path) -> list[str]:
    """A tiny training on the CPU, with people to verify on."""
    people = tmp_path / "people"
    people.mkdir()
    for index, path in enumerate(sorted(folder.iterdir())[:12]):
        Image.open(path).save(people / f"Somebody_{chr(65 + index % 6)}_{index:04}.png")
    options: dict[str, Any] = {
        "--faces": folder,
        "--out": tmp_path / "out",
        "--validation": few,
        "--people": people,
        "--identity-judge": tmp_path / "judge.safetensors",
        "--identity-steps": 2,
        "--stages": "32:2",
        "--width": 4,
        "--half": 1,
        "--device": "cpu",
    }
    return [str(part) for option in options.items() for part in option]


def test_the_command_leaves_a_swap_with_its_card_and_goes_on(arguments: list[str], tmp_path: Path) -> None:
    result = poise_targets.invoke(app, ["train", "faceswap", *arguments, str(tmp_path / "people"), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["identity_encoder"]["named"] > 0
    assert set(document["verification_auc"]) == {"encoder", "judge"}
    assert all(0.0 <= auc <= 1.0 for auc in document["verification_auc"].values())
    assert document["metrics"]["faces"] == 32
    card = (tmp_path / "out" / "card.md").read_text()
    assert "UTKFace" in card
    assert "{" not in card
    target = load_checkpoint(tmp_path / "out" / "faceswap.safetensors")
    assert set(target.companions) == {"identity", "templates"}
    encoder, judge = (tmp_path / "out" / "identity.safetensors", tmp_path / "judge.safetensors")
    before = encoder.read_bytes(), judge.read_bytes()
    longer = poise_targets.invoke(app, ["train", "faceswap", *arguments, "--stages", "32:3", "--json"])
    assert longer.exit_code == 0, longer.output
    assert (encoder.read_bytes(), judge.read_bytes()) == before
    again = load_checkpoint(tmp_path / "out" / "faceswap.safetensors")
    assert again.config == target.config
