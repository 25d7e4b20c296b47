"""Locks: one change at a time, whichever process makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import Redis

LOCK_SECONDS: Final = 30
"""How long a lock is held at most, and waited for."""


@contextmanager
def one_at_a_time(redis: Redis | None, name: str) -> Iterator[None]:
    """One look at a record and the change that follows from it at a time, as far as Redis reaches."""
    if redis is None:
        yield
        return
    with redis.lock(name, timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS):
        yield
