"""What the service can do right now: everything, only the essential part, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from redis import RedisError, ResponseError

from app.contracts.names import QUEUE_PROTECT, QUEUES
from app.contracts.redis import backlog, liveness

if TYPE_CHECKING:
    from redis import Redis

    from app.contracts.storage.blobs import Blobs

ESSENTIAL: Final = frozenset({QUEUE_PROTECT})
"""Without workers for these queues no photo is protected. Jobs of other queues only wait."""


_PROBE: Final = "poise:probe"


@dataclass(frozen=True, slots=True)
class Readiness:
    """down: what keeps photos from being protected. degraded: what else does not work. Empty if all is well."""

    down: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)


def check(redis: Redis, blobs: Blobs) -> Readiness:
    """Ask everything the service needs."""
    found = Readiness()
    try:
        redis.set(_PROBE, 1)
        for queue in QUEUES:
            wrong = _wrong_with(redis, queue)
            if wrong:
                (found.down if queue in ESSENTIAL else found.degraded).append(wrong)
    except ResponseError:
        found.down.append("redis accepts no writes: its disk or memory is full")
    except RedisError:
        found.down.append("redis does not answer")
    try:
        blobs.check()
    except OSError:
        found.down.append("the blob store cannot be written")
    return found


def _wrong_with(redis: Redis, queue: str) -> str | None:
    if not liveness.count(redis, queue):
        return f"no worker serves the queue {queue}"
    if backlog.stuck(redis, queue):
        return f"messages wait in the queue {queue}, but no worker takes them"
    return None
