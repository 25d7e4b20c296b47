"""What the composition roots build, on the Redis and the storage of a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from redis import Redis

from app.contracts.records.architectures import Architectures
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.leases import JobLeases
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage import Storage
from app.metrics import SharedFigures
from perturbations.checkpoints.registered import Library as RegisteredTargets
from worker.generators.surrogates import Surrogates
from worker.library import Library
from worker.queue.admin_sweeper import SLOW_SECONDS, VERSION_SECONDS, AdminSweeper

SURROGATES = Surrogates(RegisteredTargets(Path("/nonexistent/targets")))
"""Those that ship, loaded once for all tests."""


def library(versions: Versions, architectures: Architectures, *, scratch: Path) -> Library:
    """One with no registered targets."""
    return Library(versions, architectures, SURROGATES, scratch=scratch)


def admin_sweeper(redis: Redis, storage: Storage, send: Callable[[str, str], None]) -> AdminSweeper:
    """One that takes its own turns."""
    return AdminSweeper(
        Trainings(redis),
        Versions(storage, redis),
        Architectures(storage, redis),
        storage,
        send,
        version_schedule=SharedSchedule(redis, "version", VERSION_SECONDS),
        slow_schedule=SharedSchedule(redis, "administration", SLOW_SECONDS),
    )


def shared_figures(redis: Redis) -> SharedFigures:
    """What Redis knows."""
    return SharedFigures(redis, JobLeases(redis), Trainings(redis))
