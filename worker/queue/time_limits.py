"""Ends a job that is killed at its time limit. Celery's parent process does so, because its child cannot.

A child that crashes is another matter: its message is delivered again, and the job's attempts are counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from celery.worker.request import Request
from kombu.asynchronous import get_event_loop
from redis import RedisError

from app.contracts.logs import event
from app.contracts.names import PROTECT, PROTECT_LARGE, SCORE, SCORE_CROWD, Stage
from app.contracts.records.jobs import Jobs
from app.contracts.redis.metrics import Recorder
from worker.queue.stages import took_too_long

_log = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 1.0
_MOST_TRIES: Final = 60
"""How long to try if Redis is away. Then the job counts as one whose worker crashed."""
_STAGES: Final[dict[str, Stage]] = {
    PROTECT: "protect",
    PROTECT_LARGE: "protect",
    SCORE: "score",
    SCORE_CROWD: "score",
}


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Ends jobs that take too long.

    records: opens a connection of its own for each use, since children that are forked later must not share one.
    """

    records: Callable[[], AbstractContextManager[tuple[Jobs, Recorder]]]

    def request(self) -> type[Request]:
        """The class for Celery's requests to a task with one argument, the id of a job."""
        limits = self

        class Limited(Request):  # type: ignore[misc]  # Celery has no types
            def on_timeout(self, soft: bool, timeout: float) -> None:
                """Called when Celery is about to kill the process that works on it."""
                super().on_timeout(soft, timeout)
                if not soft:
                    limits.exceeded(str(self.args[0]), _STAGES[self.name], timeout)

        return Limited

    def exceeded(self, job_id: str, stage: Stage, seconds: float, *, tries: int = _MOST_TRIES) -> None:
        """Record that the job took longer than ``seconds``; retries while Redis is away."""
        try:
            with self.records() as (jobs, recorder):
                took_too_long(jobs, recorder, job_id, stage, seconds)
        except RedisError as error:
            event(_log, f"{stage}.not_ended", level=logging.WARNING, job_id=job_id, error=type(error).__name__)
            loop: Any = get_event_loop()
            if tries > 1 and loop is not None:
                loop.call_later(_AGAIN_SECONDS, lambda: self.exceeded(job_id, stage, seconds, tries=tries - 1))
