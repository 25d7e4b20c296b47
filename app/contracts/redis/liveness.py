"""Which queues have a live worker: every worker process signs in every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, cast

from redis import Redis

BEAT_SECONDS: Final = 2.0
DEAD_AFTER_SECONDS: Final = 15.0


def beat(redis: Redis, worker: str, queues: Iterable[str]) -> None:
    """Sign in as ``worker`` for ``queues``; the entry vanishes by itself."""
    now = time.time()
    with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.zadd(_key(queue), {worker: now})
            pipe.zremrangebyscore(_key(queue), "-inf", now - DEAD_AFTER_SECONDS)
            pipe.zremrangebyscore(_key(queue), f"({now + DEAD_AFTER_SECONDS}", "+inf")
        pipe.execute()


def leave(redis: Redis, worker: str, queues: Iterable[str]) -> None:
    """Sign out."""
    for queue in queues:
        redis.zrem(_key(queue), worker)


def count(redis: Redis, queue: str) -> int:
    """How many workers serve ``queue``."""
    return int(redis.zcount(_key(queue), *_alive()))


def hosts(redis: Redis, queue: str) -> set[str]:
    """The machines that serve ``queue``: workers sign in as ``host:pid``."""
    names = cast("list[bytes]", redis.zrangebyscore(_key(queue), *_alive()))
    return {name.decode().rpartition(":")[0] for name in names}


def forget(redis: Redis, queues: Iterable[str]) -> None:
    """Sign out all workers of ``queues``: for a start at which no worker can be alive."""
    redis.delete(*(_key(queue) for queue in queues))


def _alive() -> tuple[float, float]:
    """When live workers last signed in. A time in the future is from before a clock was set back."""
    now = time.time()
    return now - DEAD_AFTER_SECONDS, now + DEAD_AFTER_SECONDS


def _key(queue: str) -> str:
    return f"poise:workers:{queue}"
