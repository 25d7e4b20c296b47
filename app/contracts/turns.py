"""Work that one process is to do for all, whichever it is: they take turns by a key in Redis that expires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redis import Redis

_EARLY: Final = 0.9
"""A turn ends a little before the next is due, or whoever takes them all would find its own last one in the way."""


@dataclass(slots=True)
class Turn:
    """The turn to do ``work`` about every ``seconds``, by this process or another. One that dies delays it by that."""

    redis: Redis
    work: str
    seconds: float
    _due: float = 0.0

    def taken(self, now: float) -> bool:
        """Whether the work is due at ``now`` (monotonic seconds) and this process's to do; others find it taken."""
        if now < self._due:
            return False
        taken = self.redis.set(f"poise:turn:{self.work}", 1, nx=True, px=int(1000 * _EARLY * self.seconds))
        # noted last: where Redis does not answer, it is asked again at once
        self._due = now + self.seconds
        return bool(taken)

    def put_off(self, seconds: float) -> None:
        """Have nobody take the next turn for ``seconds``, if that is longer than it would be."""
        if seconds > self.seconds:
            self.redis.set(f"poise:turn:{self.work}", 1, px=int(1000 * seconds))
