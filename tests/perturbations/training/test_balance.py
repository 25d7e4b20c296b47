"""The equilibrium among the edits of one target."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perturbations.training.balance import Balance

EDITS = ("old", "young", "man")
WHOLE, INTERRUPTED = torch.tensor([0.01, 0.02]), torch.tensor([0.2, 0.3])


def test_all_edits_weigh_one_before_anything_is_seen() -> None:
    assert Balance(EDITS, temperature=0.15).weights() == pytest.approx(dict.fromkeys(EDITS, 1.0))


def test_the_edit_that_is_interrupted_least_often_weighs_most() -> None:
    balance = Balance(EDITS, temperature=0.15)
    for _ in range(10):
        balance.observe("old", WHOLE)
        balance.observe("young", torch.cat([WHOLE, INTERRUPTED]))
        balance.observe("man", INTERRUPTED)
    weights = balance.weights()
    assert weights["old"] > weights["young"] > weights["man"] > 0.0
    # softmax: the ratio of two follows from the difference of their rates alone
    assert weights["old"] / weights["man"] == pytest.approx(math.exp(1.0 / 0.15), rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(
    effects=st.lists(st.tuples(st.sampled_from(EDITS), st.floats(0.0, 1.0)), max_size=20),
    temperature=st.floats(0.05, 10.0),
)
def test_weights_have_a_mean_of_one(effects: list[tuple[str, float]], temperature: float) -> None:
    balance = Balance(EDITS, temperature=temperature)
    for edit, effect in effects:
        balance.observe(edit, torch.tensor([effect]))
    assert sum(balance.weights().values()) / len(EDITS) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("effect", [WHOLE, INTERRUPTED])
def test_edits_that_fare_alike_weigh_alike_however_often_they_were_seen(effect: torch.Tensor) -> None:
    balance = Balance(EDITS, temperature=0.15)
    for times, edit in enumerate(EDITS, start=1):
        for _ in range(times):
            balance.observe(edit, effect)
    assert balance.weights() == pytest.approx(dict.fromkeys(EDITS, 1.0), rel=1e-4)


def test_where_nothing_was_manipulated_nothing_is_learnt() -> None:
    balance = Balance(EDITS, temperature=0.15)
    balance.observe("old", INTERRUPTED)
    before = balance.weights()
    balance.observe("old", torch.tensor([math.nan, math.nan]))
    assert balance.weights() == before


def test_without_a_temperature_success_does_not_matter() -> None:
    balance = Balance(EDITS, temperature=None)
    balance.observe("old", INTERRUPTED)
    assert set(balance.weights().values()) == {1.0}


def test_goes_on_from_its_state() -> None:
    balance, other = (Balance(EDITS, temperature=0.15) for _ in range(2))
    balance.observe("young", INTERRUPTED)
    other.load_state_dict(balance.state_dict())
    for each in (balance, other):
        each.observe("man", INTERRUPTED)
    assert other.weights() == balance.weights()


@pytest.mark.parametrize(("temperature", "beta"), [(0.0, 0.9), (-1.0, 0.9), (0.1, 1.0), (0.1, -0.1)])
def test_refuses_impossible_numbers(temperature: float, beta: float) -> None:
    with pytest.raises(ValueError, match=r"temperature|beta"):
        Balance(EDITS, temperature=temperature, beta=beta)
