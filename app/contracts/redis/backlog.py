"""Whether somebody works on a queue: if nobody does, its oldest message ages, even if workers look alive.

A worker's parent process moves the messages, and its child signs in. If the parent is stopped or hangs, the child keeps
signing in and never gets a message.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from typing import Any, Final, cast

from redis import Redis

from app.contracts.names import BESIDE
from app.contracts.redis import metrics
from app.contracts.redis.liveness import DEAD_AFTER_SECONDS
from app.contracts.redis.messages import queue_key

STUCK_SECONDS: Final = 30.0
"""A queue is stuck if its oldest message is older than this and nobody has worked on it for as long."""


def worked(redis: Redis, queues: Iterable[str]) -> None:
    """Note that somebody works on messages of ``queues`` at this moment; to be repeated while it lasts."""
    redis.mset({_key(queue): time.time() for queue in queues})


def oldest(redis: Redis, queue: str) -> float:
    """Age of the oldest message that waits, in seconds; 0 if there is none or its age is unknown."""
    message = cast("bytes | None", redis.lindex(queue_key(queue), -1))
    if message is None:
        return 0.0
    document: Any = json.loads(message)
    return metrics.waited(document.get("headers")) or 0.0


def idle(redis: Redis, queue: str) -> float:
    """Seconds since somebody worked on messages of ``queue``."""
    at = cast("bytes | None", redis.get(_key(queue)))
    if at is None:
        return math.inf
    seconds = time.time() - float(at)
    # a time that lies ahead is one from before a clock was set back
    return max(0.0, seconds) if seconds > -DEAD_AFTER_SECONDS else math.inf


def stuck(redis: Redis, queue: str) -> bool:
    """Whether messages wait in ``queue``, or the one served in turn with it, and nobody takes one."""
    return any(
        oldest(redis, one) > STUCK_SECONDS and idle(redis, one) > STUCK_SECONDS
        for one in (queue, BESIDE.get(queue))
        if one is not None
    )


def _key(queue: str) -> str:
    return f"poise:worked:{queue}"
