"""Properties every weighting has, and those each one is made for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.contracts import names as contract
from perturbations.errors import UnknownName
from perturbations.testing import WeightingContract, signals
from perturbations.weighting import Signals, Weighting, names, weighting
from perturbations.weighting.aef import Aef
from perturbations.weighting.aef_scaled import AefScaled

losses_of = st.lists(st.floats(-5.0, 0.0, width=32), min_size=2, max_size=6)


def settled(rule: Weighting, given_signals: Signals, *, steps: int = 200) -> Tensor:
    """The shares after seeing the same signals for a long time."""
    for _ in range(steps):
        weights = rule(given_signals)
    return weights


def test_the_default_of_the_front_end_exists() -> None:
    assert contract.DEFAULT_WEIGHTING in names()


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(UnknownName, match="uniform"):
        weighting("equal", targets=2)


class TestEveryWeighting(WeightingContract):
    @pytest.fixture(params=names())
    def rule(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.parametrize("name", names())
@given(losses=losses_of)
def test_shares_are_one_in_sum_whatever_the_losses(name: str, losses: list[float]) -> None:
    shares = settled(weighting(name, targets=len(losses)), signals(torch.tensor(losses)), steps=5)
    assert bool((shares >= 0).all())
    assert float(shares.sum()) == pytest.approx(1.0)


class TestAef:
    @given(losses=losses_of, raised=st.integers(0, 5), by=st.floats(0.05, 2.0))
    def test_raising_one_loss_strictly_raises_its_weight(self, losses: list[float], raised: int, by: float) -> None:
        k = raised % len(losses)
        before = torch.tensor(losses, dtype=torch.float64)
        after = before.clone()
        after[k] += by

        def weights(values: Tensor) -> Tensor:
            rule = Aef(len(losses), temperature=1.0)
            rule.average = rule.average.double()
            rule.average = values  # a moving average that has settled
            return rule.weights

        assert weights(after)[k] > weights(before)[k]

    def test_first_step_is_uniform_and_the_next_uses_what_it_saw(self) -> None:
        rule = Aef(2)
        first = rule(signals(torch.tensor([-1.0, 0.0])))
        torch.testing.assert_close(first, torch.tensor([0.5, 0.5]))
        second = rule(signals(torch.tensor([-1.0, 0.0])))
        assert second[1] > second[0]

    def test_average_follows_its_equation(self) -> None:
        rule = Aef(2, beta=0.75)
        rule(signals(torch.tensor([-1.0, -2.0])))
        rule(signals(torch.tensor([-3.0, 0.0])))
        torch.testing.assert_close(rule.average, torch.tensor([0.75 * -0.25 + 0.25 * -3.0, 0.75 * -0.5]))

    def test_cold_softmax_selects_the_most_resistant(self) -> None:
        weights = settled(Aef(3, temperature=1e-4, floor=0.0), signals(torch.tensor([-0.3, -0.1, -0.2])))
        torch.testing.assert_close(weights, torch.tensor([0.0, 1.0, 0.0]))

    def test_floor_keeps_everyone_in(self) -> None:
        weights = settled(Aef(3, temperature=1e-4, floor=0.3), signals(torch.tensor([-0.3, -0.1, -0.2])))
        assert float(weights.min()) >= 0.1 - 1e-6
        assert float(weights.sum()) == pytest.approx(1.0)

    @pytest.mark.parametrize("wrong", [{"beta": 1.0}, {"temperature": 0.0}, {"floor": 1.5}])
    def test_refuses_senseless_hyper_parameters(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Aef(2, **wrong)


def test_only_those_that_say_so_ask_for_gradients_of_length_one() -> None:
    asking = {name for name in names() if weighting(name, targets=2).unit_gradients}
    assert asking == {"grad_norm", "aef_scaled"}


def test_options_reach_the_weighting_and_unknown_ones_are_refused() -> None:
    rule = weighting("aef", targets=2, options={"temperature": 0.5})
    assert isinstance(rule, Aef)
    assert rule.temperature == 0.5
    with pytest.raises(ValueError, match="warmth"):
        weighting("aef", targets=2, options={"warmth": 0.5})
    with pytest.raises(ValueError, match="temperature"):
        weighting("aef", targets=2, options={"temperature": -1.0})


class TestAefScaled:
    def test_the_scale_of_losses_cannot_pass_for_resistance(self) -> None:
        equal = signals(torch.tensor([-50.0, -0.001]), effect=torch.tensor([0.03, 0.03]))
        torch.testing.assert_close(settled(AefScaled(2), equal), torch.tensor([0.5, 0.5]))

    def test_lower_effect_gets_more_but_never_everything(self) -> None:
        rule = AefScaled(2, temperature=1e-3, floor=0.5)
        weights = settled(rule, signals(torch.zeros(2), effect=torch.tensor([0.0, 0.5])))
        torch.testing.assert_close(weights, torch.tensor([0.75, 0.25]))

    def test_a_target_at_its_limit_does_not_resist(self) -> None:
        effect, attainable = torch.tensor([0.002, 0.1]), torch.tensor([0.002, 0.4])
        given_signals = replace(signals(torch.zeros(2), effect=effect), attainable=attainable)
        weights = settled(AefScaled(2, floor=0.0), given_signals)
        assert weights[1] > 0.99

    def test_what_is_interrupted_less_often_gets_more_however_large_its_effect(self) -> None:
        effect, attainable = torch.tensor([0.30, 0.09]), torch.tensor([0.40, 0.15])
        given_signals = replace(
            signals(torch.zeros(2), effect=effect), attainable=attainable, success=torch.tensor([0.7, 0.9])
        )
        weights = settled(AefScaled(2, floor=0.0, temperature=0.1), given_signals)
        torch.testing.assert_close(weights, torch.softmax(torch.tensor([-7.0, -9.0]), dim=0))

    def test_a_hopeless_target_is_content_with_its_goal(self) -> None:
        effect, attainable = torch.tensor([0.001, 0.1]), torch.tensor([0.004, 0.15])
        given_signals = replace(
            signals(torch.zeros(2), effect=effect), attainable=attainable, success=torch.tensor([0.5, 0.5])
        )
        weights = settled(AefScaled(2, modesty=0.5, floor=0.0), given_signals)
        torch.testing.assert_close(weights, torch.tensor([0.5, 0.5]))

    def test_those_that_can_be_interrupted_share_the_floor(self) -> None:
        effect, attainable = torch.tensor([0.3, 0.004, 0.06]), torch.tensor([0.3, 0.004, 0.15])
        given_signals = replace(
            signals(torch.zeros(3), effect=effect), attainable=attainable, success=torch.tensor([1.0, 0.0, 0.6])
        )
        weights = settled(AefScaled(3, floor=0.5, temperature=1e-3, modesty=1.0), given_signals)
        torch.testing.assert_close(weights, torch.tensor([0.25, 0.0, 0.75]))

    def test_where_all_resist_none_takes_everything(self) -> None:
        effect, attainable = torch.tensor([0.0030, 0.0033]), torch.tensor([0.0065, 0.0065])
        given_signals = replace(
            signals(torch.zeros(2), effect=effect), attainable=attainable, success=torch.tensor([0.0, 0.0])
        )
        weights = settled(AefScaled(2, floor=0.0), given_signals)
        assert 0.5 < weights[0] < 0.8

    def test_it_asks_for_success_rates_beside_what_is_attainable(self) -> None:
        given_signals = replace(signals(torch.zeros(2)), attainable=torch.tensor([0.1, 0.2]), success=None)
        with pytest.raises(ValueError, match="success"):
            AefScaled(2)(given_signals)

    def test_a_target_that_cannot_be_interrupted_takes_no_more_than_its_share(self) -> None:
        effect, attainable = torch.tensor([0.0, 0.4, 0.4]), torch.tensor([0.002, 0.4, 0.4])
        weights = settled(AefScaled(3), replace(signals(torch.zeros(3), effect=effect), attainable=attainable))
        torch.testing.assert_close(weights, torch.full((3,), 1 / 3))

    def test_a_batch_without_manipulation_teaches_nothing(self) -> None:
        rule = AefScaled(2)
        settled(rule, signals(torch.zeros(2), effect=torch.tensor([0.02, 0.2])))
        before = rule.shares()
        rule(signals(torch.zeros(2), effect=torch.tensor([0.02, torch.nan])))
        torch.testing.assert_close(rule.shares(), before)
