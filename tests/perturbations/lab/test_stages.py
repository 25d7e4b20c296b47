"""Stages: how they are written, where a step lies, and which runs begin alike."""

from __future__ import annotations

import pytest

from perturbations.errors import BadInput
from perturbations.lab.surrogates.stages import Stage, Stages


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "SIZE:STEPS"),
        ("64", "SIZE:STEPS"),
        ("64:x", "SIZE:STEPS"),
        ("48:2", "power of two"),
        ("16:2", "power of two"),
        ("64:0", "at least one step"),
        ("64:2,256:2", "after 64 pixels come 128"),
        ("64:2,64:2", "after 64 pixels come 128"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Stages.parse(text)


def test_a_plan_is_read_and_written() -> None:
    plan = Stages.parse("64:10,128:5")
    assert list(plan) == [Stage(64, 10), Stage(128, 5)]
    assert str(plan) == "64:10,128:5"
    assert plan.steps == 15
    assert str(plan.upto(64)) == "64:10"


def test_batches_halve_as_sizes_double_down_to_eight() -> None:
    assert [Stage(size, 1).batch for size in (32, 64, 128, 256, 512)] == [32, 32, 16, 8, 8]


@pytest.mark.parametrize(
    ("step", "size", "share", "first"),
    [(0, 64, 0.0, True), (9, 64, 0.9, True), (10, 128, 0.0, False), (14, 128, 0.8, False), (15, 128, 1.0, False)],
)
def test_a_step_lies_in_a_stage(step: int, size: int, share: float, first: bool) -> None:
    place = Stages.parse("64:10,128:5").at(step)
    assert (place.stage.size, place.first) == (size, first)
    assert place.share == pytest.approx(share)


def test_runs_begin_alike_as_far_as_their_stages_agree() -> None:
    plan = Stages.parse("64:10,128:5")
    assert plan.begin_alike(Stages.parse("64:10,128:9"), 12)
    assert plan.begin_alike(Stages.parse("64:10"), 10)
    assert plan.begin_alike(Stages.parse("64:20"), 7)
    assert not plan.begin_alike(Stages.parse("64:20"), 11)
    assert not plan.begin_alike(Stages.parse("32:10,64:5"), 3)
