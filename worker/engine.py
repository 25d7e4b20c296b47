"""What a worker process keeps loaded: what ships with Poise, and the installation's library on top of it."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from app.contracts.generator_limits import Allowance
from app.contracts.logs import event
from app.contracts.records.architectures import Architectures
from app.contracts.records.datasets import Datasets
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.messages import connect
from app.contracts.settings import settings
from app.contracts.storage import storage_of
from worker.queue.leases import LEASE, STOPPING

if TYPE_CHECKING:
    from perturbations.checkpoints.registered import Library as TargetLibrary
    from perturbations.targets.interface import Target
    from worker.library import Library
    from worker.training.trainer import Trainer

_log = logging.getLogger(__name__)

# torch is imported inside the functions: the parent process of a worker must not touch it, nor a device


def surrogates(*, twins: bool) -> tuple[Target, ...]:
    """The generators that ship and those registered on this machine, on its fastest device, or their twins.

    Each is loaded once, and again where the registered ones have changed since.
    """
    return (*shipped(twins=twins), *_registered(registered().stamp(), twins=twins))


@cache
def shipped(*, twins: bool) -> tuple[Target, ...]:
    """The generators that ship, on the fastest device, or their twins; loaded once."""
    from perturbations.checkpoints.active import active_targets  # noqa: PLC0415 - see above
    from perturbations.precision import fastest_device  # noqa: PLC0415 - see above

    return tuple(active_targets(twins=twins, device=fastest_device()))


@lru_cache(maxsize=2)
def _registered(stamp: Hashable, *, twins: bool) -> tuple[Target, ...]:
    """Those registered while the library had ``stamp``; one that cannot be loaded must not keep others from scoring."""
    from perturbations.checkpoints.active import active_targets  # noqa: PLC0415 - see above
    from perturbations.precision import fastest_device  # noqa: PLC0415 - see above

    def left_out(name: str, error: Exception) -> None:
        event(_log, "target.unusable", level=logging.ERROR, target=name, error=type(error).__name__)

    del stamp
    library = registered()
    return tuple(
        active_targets(library.names(), twins=twins, library=library, device=fastest_device(), on_error=left_out)
    )


@cache
def registered() -> TargetLibrary:
    """The generators registered on this machine."""
    from perturbations.checkpoints.registered import Library  # noqa: PLC0415 - see above

    return Library(settings().targets_dir)


@cache
def versions() -> Versions:
    """The perturbations of this installation."""
    return Versions(storage_of(settings()), connect(settings()))


@cache
def library() -> Library:
    """Perturbations and generators of this installation, loaded when asked for."""
    from worker.library import Library  # noqa: PLC0415 - see above

    architectures = Architectures(storage_of(settings()), connect(settings()), Allowance.of(settings()))
    return Library(versions(), architectures, scratch=settings().data_dir / "scratch")


@cache
def trainings() -> Trainings:
    """The records of trainings."""
    return Trainings(connect(settings()))


@cache
def trainer() -> Trainer:
    """Whoever works on trainings here."""
    from worker.training.trainer import Trainer  # noqa: PLC0415 - see above

    return Trainer(
        trainings=trainings(),
        versions=versions(),
        datasets=Datasets(storage_of(settings())),
        library=library(),
        folder=settings().data_dir / "trainings",
        lease=LEASE,
        stopping=STOPPING.is_set,
    )


def warm_up(queues: list[str]) -> None:
    """Load what tasks of ``queues`` need and run it once, so that the first photo is as quick as the next."""
    from worker.queue import warm_up as warmth  # noqa: PLC0415 - see above

    warmth.warm_up(queues)
