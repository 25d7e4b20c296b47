"""Work that one process, whichever it is, does for all from time to time: it sets a key that expires."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis import Redis, ResponseError

_EARLY: Final = 0.9
"""A turn ends a little before the next is due; otherwise a process that takes all turns would block itself."""


@dataclass(slots=True)
class SharedSchedule:
    """When to do ``work``: about every ``seconds``, by this process or another. One that dies delays it by that."""

    redis: Redis
    work: str
    seconds: float
    _due: float = 0.0

    def claim(self, now: float) -> bool:
        """Whether the work is due at ``now`` (monotonic seconds) and this process's to do; others find it taken."""
        if now < self._due:
            return False
        try:
            taken = self._take(nx=True) or (self._overstays() and self._take(nx=False))
        except ResponseError:  # its disk or memory is full, and it cannot say whose turn it is: rather twice than never
            taken = True
        # noted last: where Redis does not answer, it is asked again at once
        self._due = now + self.seconds
        return taken

    def put_off(self, seconds: float) -> None:
        """Delay the next turn by ``seconds``, if that is longer than it would take anyway."""
        if seconds > self.seconds:
            with suppress(ResponseError):
                self._set(int(1000 * seconds), nx=False)
            self._due += seconds - self.seconds

    def _take(self, *, nx: bool) -> bool:
        return self._set(int(1000 * _EARLY * self.seconds), nx=nx)

    def _set(self, milliseconds: int, *, nx: bool) -> bool:
        return bool(self.redis.set(self._key, milliseconds, nx=nx, px=milliseconds))

    def _overstays(self) -> bool:
        """Whether the last turn has longer to go than it was given: a clock was set back."""
        given = self.redis.get(self._key)
        return given is not None and int(self.redis.pttl(self._key)) > int(given)

    @property
    def _key(self) -> str:
        return f"poise:turn:{self.work}"
