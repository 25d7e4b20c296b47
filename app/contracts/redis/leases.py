"""The leases of jobs that have work left to do: a sorted set of their ids under the time each lease runs out.

The sweeper comes back to a job whose time has come. The lease of a job that waits is long, since its message is most
likely still queued; that of a job somebody works on is short and renewed meanwhile. A job that has ended stays here
until its original is erased, which :meth:`JobLeases.close` records.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final, cast

from redis import Redis, WatchError

WAITING_SECONDS: Final = 90.0
"""Lease of a job that waits in a queue. A message sent again for nothing does no harm."""
HELD_SECONDS: Final = 15.0
"""Lease of a job that is worked on, from its last renewal, and of one that has ended."""
STRANDED_SECONDS: Final = 20.0
"""A job that has waited for so long while its queue is empty may have lost its message."""

_LONGEST_SECONDS: Final = WAITING_SECONDS + 30.0
"""No lease ends later, though clocks of machines differ: one that does was given before a clock was set back."""
_OPEN: Final = "poise:open"
_LOST: Final = 0.0
"""Instead of the end of a lease: the job is sent again whether or not its queue seems to lack a message."""


class JobLeases:
    """The leases of one Redis, by a client that returns ``bytes``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def give(self, pipe: Redis, job_id: str, *, short: bool = False) -> None:
        """Add to a transaction that a job gets a new lease. short: for a job in progress, or one that has ended."""
        pipe.zadd(_OPEN, {job_id: time.time() + (HELD_SECONDS if short else WAITING_SECONDS)})

    def remove(self, pipe: Redis, job_id: str) -> None:
        """Add to a transaction that a job has no lease any more."""
        pipe.zrem(_OPEN, job_id)

    def close(self, *job_ids: str) -> None:
        """Record that nothing is left to do for jobs that have ended or are gone."""
        self._redis.zrem(_OPEN, *job_ids)

    def count(self) -> int:
        """How many jobs have work left to do."""
        return int(self._redis.zcard(_OPEN))

    def job_ids(self) -> list[str]:
        """The ids of all of them, in the order in which their leases run out."""
        return [raw.decode() for raw in cast("list[bytes]", self._redis.zrange(_OPEN, 0, -1))]

    def due(self, now: float) -> dict[str, bool]:
        """The ids of jobs whose lease has run out, and whether each is to be sent again in any case."""
        leases = cast("list[tuple[bytes, float]]", self._redis.zrange(_OPEN, 0, -1, withscores=True))
        return {raw.decode(): until == _LOST for raw, until in leases if _is_due(until, now)}

    def take(self, job_id: str, now: float) -> bool:
        """Renew a lease that has run out, unless another sweeper was faster. Returns whether the caller has it."""
        with self._redis.pipeline(transaction=True) as pipe:
            try:
                pipe.watch(_OPEN)
                until = pipe.zscore(_OPEN, job_id)
                if until is None or not _is_due(until, now):
                    return False
                pipe.multi()
                pipe.zadd(_OPEN, {job_id: now + WAITING_SECONDS}, xx=True)
                pipe.execute()
            except WatchError:
                return False
            return True

    def renew(self, job_id: str) -> None:
        """Renew the lease of a job in progress, unless it has none any more, or a longer one."""
        self._redis.zadd(_OPEN, {job_id: time.time() + HELD_SECONDS}, xx=True, gt=True)

    def expire_all(self) -> int:
        """Make every open job overdue: for a start at which nobody else can be working. Returns how many are open."""
        return self._expire("-inf", "+inf")

    def expire_waiting(self, *, but: Collection[str]) -> int:
        """Make all waiting jobs overdue, ``but`` some. Returns how many."""
        return self._expire(time.time() + HELD_SECONDS, "+inf", but=but)

    def expire_stranded(self) -> int:
        """Make jobs overdue that have waited for :data:`STRANDED_SECONDS`. Returns how many."""
        now = time.time()
        return self._expire(now + HELD_SECONDS, now + WAITING_SECONDS - STRANDED_SECONDS)

    def _expire(self, earliest: float | str, latest: float | str, *, but: Collection[str] = ()) -> int:
        """Make jobs overdue whose lease runs out between two times, as if their messages were lost; how many."""
        leases = cast("list[bytes]", self._redis.zrangebyscore(_OPEN, earliest, latest))
        found = [raw for raw in leases if raw.decode() not in but]
        if found:
            self._redis.zadd(_OPEN, dict.fromkeys(found, _LOST), xx=True)
        return len(found)


def _is_due(until: float, now: float) -> bool:
    return until <= now or until > now + _LONGEST_SECONDS
