"""How long the messages that this process takes have waited in their queues."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from redis import Redis, RedisError

from app.contracts.redis import backlog
from app.contracts.redis.metrics import WAIT, Recorder, waited


def record_wait(redis: Redis, recorder: Recorder, request: Any) -> None:
    """Note that its queue is being worked on, and how long the message of a Celery task's ``request`` has waited."""
    seconds = waited(request.headers)
    queue = (request.delivery_info or {}).get("routing_key")
    if not queue:
        return
    if seconds is not None:
        recorder.add(*WAIT.seen(seconds, queue))
    with suppress(RedisError):
        backlog.worked(redis, [queue])
