"""How long a training will take: its steps, and what steps took in trainings before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.contracts.records.catalogue import Plan
    from app.contracts.records.curves import Point
    from app.contracts.records.trainings import Request, Training
    from app.contracts.records.versions import Version

ASSUMED_SECONDS: Final = 0.045
"""For one face against one generator in one step, where no training has been measured: on two idle cores (AVX2)."""
MEASURING: Final = 500
"""What it costs to measure the result on one generator and its twin, and to compare it: as many faces in one step."""
_GUESSED: Final = (0.5, 2.0)
"""A guess may be wrong by so much: generators, presets and machines differ."""
_MEASURED: Final = (0.8, 1.25)
"""And what follows from earlier trainings by so much: the machine is busier now, or less busy."""
_ENOUGH: Final = 2000
"""A training of fewer faces times generators measures its start, not its steps."""
_NEWEST: Final = 3
"""Trainings that are the measure: generators and machines change."""
_WHOLE: Final = frozenset({"succeeded", "rejected"})
"""Trainings whose result was measured."""
_AWAY: Final = timedelta(minutes=5)
"""Points of a curve further apart than this: the service was down, or the training waited."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """steps: of all stages. seconds: about how long they take and the result is measured; least and most: between which
    that may well lie. measured: whether they follow from earlier trainings here. alone: generators that are trained
    against on their own first, because no version knows their attainable effect."""

    steps: int
    seconds: float
    least: float
    most: float
    measured: bool
    alone: tuple[str, ...]


def estimate(
    wanted: Request,
    targets: Sequence[str],
    plans: Mapping[str, Plan],
    *,
    versions: Collection[Version],
    trainings: Collection[Training],
    curve: Callable[[str], Sequence[Point]],
) -> Estimate:
    """The estimate for a training against ``targets``. trainings: the newest first. curve: of the training of an id."""
    plan = plans[wanted.preset]
    last = wanted.steps or plan.steps
    alone = tuple(name for name in targets if not _known(name, wanted.epsilon, versions))
    pieces = plan.batch * last * (len(targets) + len(alone)) + MEASURING * len(targets)
    told = (_rate(training, plans, curve) for training in trainings)
    rates = list(islice((rate for rate in told if rate is not None), _NEWEST))
    less, more = _MEASURED if rates else _GUESSED
    known = rates or [ASSUMED_SECONDS]
    return Estimate(
        last * (1 + len(alone)),
        pieces * sum(known) / len(known),
        least=pieces * min(known) * less,
        most=pieces * max(known) * more,
        measured=bool(rates),
        alone=alone,
    )


def _known(name: str, epsilon: float, versions: Collection[Version]) -> bool:
    return any(version.epsilon == epsilon and name in version.attainable for version in versions)


def _rate(training: Training, plans: Mapping[str, Plan], curve: Callable[[str], Sequence[Point]]) -> float | None:
    """Seconds for one face against one generator in one step; ``None`` if the training does not say."""
    plan = plans.get(training.request.preset)
    if plan is None or training.started_at is None or training.crashes:
        return None
    targets = len(training.request.targets or ())
    each = sum(steps * (1 if stage.startswith("alone-") else targets) for stage, steps in training.done.items())
    pieces = each * plan.batch + (MEASURING * targets if training.status in _WHOLE else 0)
    if pieces < _ENOUGH:
        return None
    end = training.ended_at or datetime.now(UTC)
    return _worked([training.started_at, *(point.at for point in curve(training.id)), end]) / pieces


def _worked(moments: Sequence[datetime]) -> float:
    """Seconds between moments of a training, without those in which it stood still. Two tell of no standstill."""
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    short = [gap for gap in gaps if gap <= _AWAY]
    return sum((short or gaps), timedelta()).total_seconds()
