"""What the composition roots build, on the Redis and the storage of a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from redis import Redis

from app.contracts.records.catalogue import Catalogue, Plan
from app.contracts.records.datasets import Dataset
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.leases import JobLeases
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage import Storage
from app.metrics import SharedFigures
from perturbations.precision import fastest_device
from perturbations.targets import names
from perturbations.training.config import PRESETS
from perturbations.weighting import names as weightings
from worker.generators.surrogates import Surrogates
from worker.library import Library
from worker.queue.admin_sweeper import SLOW_SECONDS, VERSION_SECONDS, AdminSweeper

SURROGATES = Surrogates(fastest_device())
"""Those that ship, loaded once for all tests."""


def library(versions: Versions, generators: Generators, *, scratch: Path) -> Library:
    """One on a storage of its own."""
    return Library(versions, generators, SURROGATES, scratch=scratch)


def catalogue(faces: Dataset | None = None) -> Catalogue:
    """What a worker would publish where one generator ships."""
    return Catalogue(
        targets=("stargan",),
        faces=faces,
        architectures=names(),
        weightings=weightings(),
        presets=tuple(PRESETS),
        plans={name: Plan(steps=config.steps, batch=config.batch_size) for name, config in PRESETS.items()},
    )


def admin_sweeper(redis: Redis, storage: Storage, send: Callable[[str, str], None]) -> AdminSweeper:
    """One that takes its own turns."""
    return AdminSweeper(
        Trainings(redis),
        Versions(storage, redis),
        Generators(storage, redis),
        storage,
        send,
        version_schedule=SharedSchedule(redis, "version", VERSION_SECONDS),
        slow_schedule=SharedSchedule(redis, "administration", SLOW_SECONDS),
    )


def shared_figures(redis: Redis) -> SharedFigures:
    """What Redis knows."""
    return SharedFigures(redis, JobLeases(redis), Trainings(redis))
