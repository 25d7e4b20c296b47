"""The loop: exact resumption, and refusal of another run's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from perturbations.errors import BadCheckpoint
from perturbations.surrogates.faces import LabelledFaces
from perturbations.surrogates.recipes import RECIPES
from perturbations.surrogates.training import CHECKPOINT, Run


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every tensor and number of a nested state, by its path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in _leaves(item, f"{path}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for key, item in enumerate(value) for k, v in _leaves(item, f"{path}/{key}").items()}
    return {path: value}


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_resuming_is_exact(name: str, start: Callable[..., Run], faces: LabelledFaces) -> None:
    whole = start(name, steps=4, place="whole")
    list(whole.train(faces))
    list(start(name, steps=2, place="halves").train(faces))
    resumed = start(name, steps=4, place="halves")
    assert resumed.step == 2
    list(resumed.train(faces))
    expected, got = _leaves(whole.recipe.state_dict()), _leaves(resumed.recipe.state_dict())
    assert expected.keys() == got.keys()
    assert [path for path in expected if not _same(expected[path], got[path])] == []


def test_another_configuration_does_not_take_over_a_folder(start: Callable[..., Run], faces: LabelledFaces) -> None:
    list(start("stargan", steps=1).train(faces))
    with pytest.raises(BadCheckpoint, match="another configuration"):
        start("stargan", steps=1, seed=1)
    with pytest.raises(BadCheckpoint, match="another configuration"):
        start("attgan", steps=1)
    assert start("stargan", steps=9).step == 1  # a longer run is the same run


def test_seeds_differ(start: Callable[..., Run]) -> None:
    a, b = (start("attgan", steps=1, place=f"seed-{seed}", seed=seed).recipe.generator for seed in (0, 1))
    assert any(not torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_checkpoints_come_as_often_as_asked_and_the_curve_is_json(
    start: Callable[..., Run], faces: LabelledFaces, tmp_path: Path
) -> None:
    run = start("stargan", steps=11)
    written = []
    for progress in run.train(faces, checkpoint_every=5):
        if (tmp_path / "run" / CHECKPOINT).exists():
            written.append(torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["step"])
        assert progress.steps == 11
    assert written == [5] * 5 + [10, 11]
    (line,) = (tmp_path / "run" / "curve.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 10
