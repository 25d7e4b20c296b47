"""What a worker process keeps loaded: the active perturbation, the surrogates and their twins, each on first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation
    from perturbations.targets.base import Target

# torch is imported inside the functions: the parent process of a worker must not touch it, nor a device


@cache
def perturbation() -> Perturbation:
    """The active version.

    Raises:
        BadArtifact: it is missing or damaged.
    """
    from perturbations.artifact import active  # noqa: PLC0415 - see above

    return active()


@cache
def surrogates(*, twins: bool) -> tuple[Target, ...]:
    """The generators that keep score: those δ was trained on, or their twins."""
    from perturbations.targets.shipped import load_surrogates  # noqa: PLC0415 - see above

    return tuple(load_surrogates(twins=twins))


def warm_up(queues: list[str]) -> None:
    """Load what tasks of ``queues`` need and run it once, so that the first photo is as quick as the next."""
    from worker import warmth  # noqa: PLC0415 - see above

    warmth.warm_up(queues)
