"""This process's recorder of figures, and the wait of every message it takes."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from redis import Redis, RedisError

from app.contracts.redis import backlog
from app.contracts.redis.messages import connect
from app.contracts.redis.metrics import WAIT, Recorder, waited
from app.contracts.settings import settings


@cache
def recorder() -> Recorder:
    """Made on first use, in the process that records: a connection must not be shared over a fork."""
    return Recorder(_redis())


@cache
def _redis() -> Redis:
    return connect(settings())


def record_wait(request: Any) -> None:
    """Note that somebody works on its queue, and how long the message of a Celery task's ``request`` has waited."""
    seconds = waited(request.headers)
    queue = (request.delivery_info or {}).get("routing_key")
    if not queue:
        return
    if seconds is not None:
        recorder().add(*WAIT.seen(seconds, queue))
    with suppress(RedisError):
        backlog.worked(_redis(), [queue])
