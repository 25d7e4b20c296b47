"""``poise train --set``: every hyper-parameter by its name, and nothing else."""

from __future__ import annotations

import pytest

from perturbations.errors import PoiseError
from perturbations.training import preset
from worker.commands._hyper_parameters import changed

FULL = preset("full", weighting="aef_scaled", epsilon=0.05, seed=0)


def test_nothing_given_changes_nothing() -> None:
    assert changed(FULL, ()) == FULL


def test_what_is_given_comes_in_place_of_the_presets() -> None:
    made = changed(FULL, ["rms=0.6", "batch_size=4", 'transforms=["none", "jpeg"]', "objective=frame"])
    assert (made.rms, made.batch_size, made.transforms, made.objective) == (0.6, 4, ("none", "jpeg"), "frame")
    assert made.steps == FULL.steps
    assert changed(made, ["weighting.floor=0.3", "weighting.beta=0.9"]).weighting_options == (
        ("beta", 0.9),
        ("floor", 0.3),
    )


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("rms", "NAME=VALUE"),
        ("rmss=1", "known: band"),
        ("rms=2", "between 0 and 1"),
        ("batch_size=1.5", "batch_size"),
        ("draws=99", "draws"),
        ('transforms=["rain"]', "rain"),
        ("weighting.warmth=1", "warmth"),
        ("weighting.floor=2", "floor"),
        ("weighting.floor=much", "number"),
        ("weighting.floor=null", "number"),
        ("weighting.temperature=1e400", "not a value"),
        ("start_cycles=NaN", "not a value"),
        ("band=[0, Infinity]", "not a value"),
        ("draws=true", "not a value"),
        ("steps=3", "known: band"),  # it has an option of its own
        ("weighting_options=[]", "known: band"),
    ],
)
def test_what_makes_no_sense_is_refused(setting: str, says: str) -> None:
    with pytest.raises(PoiseError, match=says):
        changed(FULL, [setting])
