"""One word that differs whenever a collection of records has changed, with a running Redis or without.

The word lies in the storage, so that a change made while the service is stopped counts as well. Redis only *announces*
it: workers look there before every photo, and take turns to compare the announcement with the storage. A word is
random, so of two changes at the same moment either may come last: whoever read the records before sees a new word.
"""

from __future__ import annotations

import secrets
from typing import cast

from redis import Redis, WatchError

from app.contracts.storage import Storage


class Stamp:
    """The stamp under ``name``. redis: where it is announced; ``None`` where nobody listens."""

    def __init__(self, storage: Storage, redis: Redis | None, name: str) -> None:
        self._storage = storage
        self._redis = redis
        self._file = f"{name}.stamp"
        self._key = f"poise:{name}:stamp"

    def change(self) -> None:
        """Say that something has changed. Comes after the change itself, so that nobody takes old for new."""
        self._storage.put(self._file, secrets.token_hex(8).encode())
        self.announce()

    def stored(self) -> str:
        """The stamp by the storage; empty before the first change."""
        try:
            return self._storage.get(self._file).decode()
        except FileNotFoundError:
            return ""

    def now(self) -> str:
        """The stamp as announced; where nothing is, by the storage."""
        announced = self._announced()
        return self.stored() if announced is None else announced

    def is_announced(self) -> bool:
        """Whether Redis says what the storage says."""
        return self._redis is None or self._announced() == self.stored()

    def announce(self) -> None:
        """Bring what Redis says in line with the storage."""
        if self._redis is None:
            return
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    # watched before the storage is read: an announcement that comes in between wins
                    pipe.watch(self._key)
                    stored = self.stored()
                    pipe.multi()
                    pipe.set(self._key, stored)
                    pipe.execute()
                except WatchError:
                    continue
                return

    def _announced(self) -> str | None:
        if self._redis is None:
            return None
        raw = cast("bytes | None", self._redis.get(self._key))
        return None if raw is None else raw.decode()
