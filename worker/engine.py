"""What a worker process keeps loaded: what ships with Poise, and the installation's library on top of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from app.contracts.generator_limits import Allowance
from app.contracts.records.datasets import Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.messages import connect
from app.contracts.settings import settings
from app.contracts.storage import storage_of
from worker.queue.leases import LEASE, STOPPING

if TYPE_CHECKING:
    from worker.library import Library
    from worker.training.trainer import Trainer

# torch is imported inside the functions: the parent process of a worker must not touch it, nor a device


@cache
def versions() -> Versions:
    """The perturbations of this installation."""
    return Versions(storage_of(settings()), connect(settings()))


@cache
def generators() -> Generators:
    """The generators of this installation beside those that ship."""
    return Generators(storage_of(settings()), connect(settings()), Allowance.of(settings()))


@cache
def library() -> Library:
    """Perturbations and generators of this installation, loaded when asked for."""
    from worker.library import Library  # noqa: PLC0415 - see above

    return Library(versions(), generators(), scratch=settings().data_dir / "scratch")


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
