"""How long a training will take: its steps, and what steps took in trainings before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.contracts.records.catalogue import Plan
    from app.contracts.records.trainings import Request, Training
    from app.contracts.records.versions import Version

ASSUMED_SECONDS: Final = 0.012
"""For one face against one generator in one step, where no training has been measured: on two idle cores."""
_ENOUGH: Final = 2000
"""A training of fewer faces times generators measures its start, not its steps."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """steps: of all stages. seconds: about how long they take. measured: whether that follows from earlier trainings
    here. alone: generators that are trained against on their own first, because no version knows their attainable
    effect."""

    steps: int
    seconds: float
    measured: bool
    alone: tuple[str, ...]


def estimate(
    wanted: Request,
    targets: Sequence[str],
    plans: Mapping[str, Plan],
    *,
    versions: Collection[Version],
    trainings: Collection[Training],
) -> Estimate:
    """The estimate for a training against ``targets``."""
    plan = plans[wanted.preset]
    alone = tuple(name for name in targets if not _known(name, wanted.epsilon, versions))
    starts = 0 if wanted.warm_start else plan.starts
    steps = plan.steps + starts * plan.start_steps
    pieces = plan.batch * (steps * len(targets) + plan.steps * len(alone))
    rates = [rate for training in trainings if (rate := _rate(training, plans)) is not None]
    # the newest say most: generators and machines change
    rate = sum(rates[:3]) / len(rates[:3]) if rates else ASSUMED_SECONDS
    return Estimate(steps + plan.steps * len(alone), pieces * rate, measured=bool(rates), alone=alone)


def _known(name: str, epsilon: float, versions: Collection[Version]) -> bool:
    return any(version.epsilon == epsilon and name in version.attainable for version in versions)


def _rate(training: Training, plans: Mapping[str, Plan]) -> float | None:
    """Seconds for one face against one generator in one step; ``None`` if the training does not say."""
    plan = plans.get(training.request.preset)
    if plan is None or training.started_at is None or training.crashes:
        return None
    targets = len(training.request.targets or ())
    each = sum(steps * (1 if stage.startswith("alone-") else targets) for stage, steps in training.done.items())
    pieces = each * plan.batch
    if pieces < _ENOUGH:
        return None
    return ((training.ended_at or datetime.now(UTC)) - training.started_at).total_seconds() / pieces
