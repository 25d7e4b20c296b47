"""One word that differs whenever a collection of records has changed, with a running Redis or without.

The word lies in the storage, so that a change made while the service is stopped counts as well. Redis only *announces*
it: workers look there before every photo, and take turns to compare the announcement with the storage. A word is
random, so of two changes at the same moment either may come last: a process that read old records sees a new word.
"""

from __future__ import annotations

import secrets
from typing import cast

from redis import Redis
from redis.client import Pipeline

from app.contracts.storage import Storage


class Stamp:
    """The stamp under ``name``. redis: where it is announced; ``None`` to announce nothing."""

    def __init__(self, storage: Storage, redis: Redis | None, name: str) -> None:
        self._storage = storage
        self._redis = redis
        self._file = f"{name}.stamp"
        self._key = f"poise:{name}:stamp"

    def change(self) -> None:
        """Record that something has changed. Call it after the change, so that nobody takes old data for new."""
        self._storage.put(self._file, secrets.token_hex(8).encode())
        self.announce()

    def stored(self) -> str:
        """The stamp in the storage; empty before the first change."""
        try:
            return self._storage.get(self._file).decode()
        except FileNotFoundError:
            return ""

    def now(self) -> str:
        """The announced stamp; if there is none, the stored one."""
        announced = self._announced()
        return self.stored() if announced is None else announced

    def is_announced(self) -> bool:
        """Whether the announced stamp is the stored one."""
        return self._redis is None or self._announced() == self.stored()

    def announce(self) -> None:
        """Announce in Redis what the storage holds."""
        if self._redis is None:
            return

        def announce(pipe: Pipeline) -> None:
            # the key is watched before the storage is read: an announcement that comes in between wins
            stored = self.stored()
            pipe.multi()
            pipe.set(self._key, stored)

        self._redis.transaction(announce, self._key)

    def _announced(self) -> str | None:
        if self._redis is None:
            return None
        raw = cast("bytes | None", self._redis.get(self._key))
        return None if raw is None else raw.decode()
