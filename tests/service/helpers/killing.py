"""Killing parts of a running service, and knowing when it may be excused for that."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

import httpx

from tests.service.helpers.running import Running

Part = Literal["child", "parent", "redis", "api"]
PARTS: Final[tuple[Part, ...]] = ("child", "parent", "redis", "api")
QUEUES: Final = ("protect", "score", "large", "train")

GRACE_SECONDS: Final = 5.0
"""Connections of a part that has come back are made anew one after the other."""


def pid_of(run: Running, part: Part, queue: str = "protect") -> int | None:
    """The process that is ``part`` now: of the worker of ``queue``, Redis or the front end; ``None`` between two."""
    sign = {"redis": "redis-server", "api": "app.server"}.get(part, f"{queue}@")
    found = [
        pid for pid, command in run.descendants() if sign in command and "worker.serve.parent_death" not in command
    ]
    if part == "child":  # those that were started come after those that started them
        return found[-1] if len(found) > 1 else None
    return found[0] if found else None


def kill(run: Running, part: Part, queue: str = "protect") -> bool:
    """SIGKILL for a part; whether there was one."""
    pid = pid_of(run, part, queue)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True


def ready(url: str) -> bool:
    """Whether everything works, as the service itself says."""
    try:
        return bool(httpx.get(f"{url}/readyz", timeout=10).json()["status"] == "ready")
    except httpx.TransportError:
        return False


@dataclass(slots=True)
class Killer:
    """A thread that kills a part every few seconds while the block runs; which, and when, follows from the seed."""

    run: Running
    every: float
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    _down: list[list[float]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, name="killer")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def excuses(self, began: float, ended: float) -> bool:
        """Whether a part was down at some time between two, both monotonic."""
        return any(start <= ended and began <= end + GRACE_SECONDS for start, end in self._down)

    def _work(self) -> None:
        rng = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        due = time.monotonic() + self.every
        while not self._over.wait(0.5):
            now = time.monotonic()
            if self._down and self._down[-1][1] == float("inf") and ready(self.run.url):
                self._down[-1][1] = time.monotonic()
            if now >= due:
                due = now + self.every * rng.uniform(0.8, 1.2)
                part, queue = rng.choice(PARTS), rng.choice(QUEUES[:2])
                if self._down and self._down[-1][1] == float("inf"):
                    self._down[-1][1] = now
                self._down.append([now, float("inf")])
                if kill(self.run, part, queue):
                    self.killed[part] += 1
        # what was killed last has its time, too
        while not ready(self.run.url):
            time.sleep(0.5)
        if self._down:
            self._down[-1][1] = time.monotonic()
