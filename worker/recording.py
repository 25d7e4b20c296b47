"""This process's recorder of figures, and the wait of every message it takes."""

from __future__ import annotations

from functools import cache
from typing import Any

from app.contracts.broker import connect
from app.contracts.metrics import WAIT, Recorder, waited
from app.contracts.settings import settings


@cache
def recorder() -> Recorder:
    """Made on first use, in the process that records: a connection must not be shared over a fork."""
    return Recorder(connect(settings()))


def record_wait(request: Any) -> None:
    """Note how long the message of a Celery task's ``request`` has waited, if it tells when it was sent."""
    seconds = waited(request.headers)
    queue = (request.delivery_info or {}).get("routing_key")
    if seconds is not None and queue:
        recorder().add(*WAIT.seen(seconds, queue))
