"""The figures of a model card, on generators whose figures are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from perturbations.errors import BadCheckpoint
from perturbations.images import to_tensor
from perturbations.lab.surrogates.classifier import (
    ClassifierTraining,
    accuracy,
    load_classifier,
    save_classifier,
    train_classifier,
)
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.grid import edit_grid, save_grid
from perturbations.lab.surrogates.metrics import measure
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.recipes.base import EDITS
from perturbations.targets.interface import Layout, Manipulation, Target

Function = Callable[[Tensor, str], Tensor]


class Formula(Target):
    """A generator that is a formula, with the edits of a recipe."""

    paradigm = "formula"
    small: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, formula: Function) -> None:
        super().__init__(image_size=32, edits=tuple(EDITS))
        self.generator = nn.Identity()
        self.formula = formula
        self.architecture = "stargan"  # type: ignore[misc]

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        return Manipulation(self.formula(x, edit), x)

    @property
    def config(self) -> Mapping[str, Any]:
        return {}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        raise NotImplementedError


class Reader(AttributeClassifier):
    """Reads the labels of drawn faces off the colour of the centre without error: men are blue, the old are dark."""

    def forward(self, x: Tensor) -> Tensor:
        centre = x[:, :, x.shape[2] // 2, x.shape[3] // 2]
        return torch.stack([centre[:, 2] - centre[:, 0], 0.4 - centre.amax(dim=1)], dim=1)


def _painted(x: Tensor, edit: str) -> Tensor:
    """A middle patch in the colours the labels mean."""
    man, old = EDITS[edit]
    light = 0.9 - 0.9 * old
    y = x.clone()
    y[:, 0, 8:24, 8:24] = man * -0.7 + (1 - man) * light
    y[:, 2, 8:24, 8:24] = man * light + (1 - man) * -0.7
    return y


def test_a_generator_that_does_nothing_shows_nothing(faces: LabelledFaces) -> None:
    metrics = measure(Formula(lambda x, _: x), Reader(), faces)
    assert (metrics.edit_share, metrics.manipulated, metrics.reconstruction_l1) == (0.0, 0.0, 0.0)
    # half of all edits ask for what an attribute is already
    assert metrics.edit_accuracy == {"man": 0.5, "old": 0.5}


def test_a_generator_that_paints_a_patch_manipulates_everything(faces: LabelledFaces) -> None:
    def patch(x: Tensor, edit: str) -> Tensor:
        y = x.clone()
        y[:, :, :16] = {"young_woman": -1.0, "old_woman": 1.0, "young_man": -0.3, "old_man": 0.3}[edit]
        return y

    metrics = measure(Formula(patch), Reader(), faces)
    assert metrics.manipulated == 1.0
    assert metrics.edit_share == pytest.approx(0.5)
    assert metrics.reconstruction_l1 > 0.05
    # it ignores half of the input and copies the rest: harmless changes stay harmless
    assert metrics.random_signs.success_rate == metrics.jpeg75.success_rate == 0.0
    assert metrics.random_signs.l2_mask < 0.003


def test_edits_that_come_true_score_fully(faces: LabelledFaces) -> None:
    metrics = measure(Formula(_painted), Reader(), faces)
    assert metrics.edit_accuracy == {"man": 1.0, "old": 1.0}
    assert metrics.edit_share > 0.1


def test_an_edit_that_flips_what_it_should_keep_is_caught(faces: LabelledFaces) -> None:
    def careless(x: Tensor, edit: str) -> Tensor:
        return _painted(x, {"young_man": "old_man", "old_woman": "young_woman"}.get(edit, edit))

    metrics = measure(Formula(careless), Reader(), faces)
    assert metrics.edit_accuracy == pytest.approx({"man": 1.0, "old": 0.5})


def test_what_a_generator_gives_back_unedited_is_its_reconstruction(faces: LabelledFaces) -> None:
    class Plain(Formula):
        def reconstruct(self, x: Tensor) -> Tensor:
            return x

    def relight(x: Tensor, edit: str) -> Tensor:
        del edit
        return x + 0.5

    plain, editing = (measure(kind(relight), Reader(), faces) for kind in (Plain, Formula))
    assert (plain.edit_share, plain.reconstruction_l1) == (1.0, 0.0)
    assert editing.edit_share == 0.0
    assert editing.reconstruction_l1 == pytest.approx(0.5)


def test_a_fragile_generator_is_detected(faces: LabelledFaces) -> None:
    def fragile(x: Tensor, edit: str) -> Tensor:
        del edit
        return torch.sin(100.0 * x.mean(dim=1, keepdim=True)).expand_as(x)

    metrics = measure(Formula(fragile), Reader(), faces)
    assert metrics.random_signs.success_rate > 0.5
    assert metrics.random_signs.l2_mask > 0.01


def test_the_grid_shows_each_face_and_then_its_edits(faces: LabelledFaces, tmp_path: Path) -> None:
    target = Formula(_painted)
    grid = edit_grid(target, faces.images[:3])
    assert grid.shape == (3 * 32, 5 * 32, 3)
    for row in range(3):
        assert np.array_equal(grid[32 * row : 32 * (row + 1), :32], faces.images[row])
    old_man = target(to_tensor(faces.images[1:2]), "old_man")
    column = 1 + target.edits.index("old_man")
    shown = to_tensor(grid[32:64, 32 * column : 32 * (column + 1)])
    assert float((shown - old_man).abs().max()) <= 1 / 127.5
    save_grid(target, faces.images[:3], tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (2 * 5 * 32, 2 * 3 * 32)


def test_the_classifier_learns_and_survives_its_file(faces: LabelledFaces, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    losses = []
    for _, loss, trained in train_classifier(faces, ClassifierTraining(steps=30, batch_size=32), device=cpu):
        losses.append(loss)
        classifier = trained
    assert len(losses) == 30
    assert min(accuracy(classifier, faces, device=cpu).values()) > 0.9
    save_classifier(classifier, tmp_path / "judge.safetensors")
    loaded = load_classifier(tmp_path / "judge.safetensors")
    expected, got = classifier.state_dict(), loaded.state_dict()
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("not a tensor in sight")
    with pytest.raises(BadCheckpoint, match="not an attribute classifier"):
        load_classifier(tmp_path / "text.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(BadCheckpoint, match="not an attribute classifier"):
        load_classifier(tmp_path / "other.safetensors")
