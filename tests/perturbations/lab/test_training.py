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
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.recipes import RECIPES
from perturbations.lab.surrogates.training import CHECKPOINT, Run


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


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_training_may_begin_with_another_surrogates_weights(name: str, start: Callable[..., Run]) -> None:
    other = start(name, steps=1, place="other", seed=5).recipe
    run = start(name, steps=1, place="begun", begin=other.averaged_target())
    expected, got = (_leaves(r.generator.state_dict()) for r in (other, run.recipe))
    assert all(_same(expected[path], got[path]) for path in expected)
    assert all(_same(other.average.state[path], tensor) for path, tensor in run.recipe.average.state.items())
    trained = list(run.recipe.kept.parameters())
    assert any(parameter.requires_grad for parameter in trained)
    judges = (_leaves(r.discriminator.state_dict()) for r in (other, run.recipe))
    assert not all(_same(a, b) for a, b in zip(*(judge.values() for judge in judges), strict=True))


def test_weights_that_do_not_fit_are_refused(start: Callable[..., Run]) -> None:
    other = start("attgan", steps=1, place="other").recipe.averaged_target()
    with pytest.raises(BadCheckpoint, match="do not fit a stargan"):
        start("stargan", steps=1, place="begun", begin=other)


def test_a_checkpoint_from_before_an_option_existed_is_that_of_its_default(
    start: Callable[..., Run], faces: LabelledFaces, tmp_path: Path
) -> None:
    list(start("attgan", steps=1).train(faces))
    path = tmp_path / "run" / CHECKPOINT
    saved = torch.load(path, weights_only=True)
    del saved["config"]["start"]
    torch.save(saved, path)
    assert start("attgan", steps=2).step == 1


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
