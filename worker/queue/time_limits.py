"""A job that is killed at its time limit is over at once: Celery's parent process says so, since its child cannot.

A child that crashes is another matter. Its message is delivered again, and the job's attempts are counted.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from celery.worker.request import Request
from kombu.asynchronous import get_event_loop
from redis import RedisError

from app.contracts.logs import event
from app.contracts.names import PROTECT, PROTECT_LARGE, SCORE, SCORE_CROWD, Stage
from app.contracts.records.jobs import Jobs
from app.contracts.redis.messages import connect
from app.contracts.redis.metrics import Recorder
from app.contracts.settings import settings
from worker.queue.stages import took_too_long

_log = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 1.0
_MOST_TRIES: Final = 60
"""Where Redis is away. After that the job counts as one whose worker crashed."""
_STAGES: Final[dict[str, Stage]] = {
    PROTECT: "protect",
    PROTECT_LARGE: "protect",
    SCORE: "score",
    SCORE_CROWD: "score",
}


class Limited(Request):  # type: ignore[misc]  # Celery has no types
    """The request of a task with one argument, the id of a job."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Celery is about to kill the process that works on it."""
        super().on_timeout(soft, timeout)
        if not soft:
            end_overtime(str(self.args[0]), _STAGES[self.name], timeout)


def end_overtime(job_id: str, stage: Stage, seconds: float, *, tries: int = _MOST_TRIES) -> None:
    """Record that the job took longer than ``seconds``, again and again while Redis is away."""
    redis = connect(settings())  # of this moment: children that are forked later must not share it
    try:
        took_too_long(Jobs(redis, settings()), Recorder(redis), job_id, stage, seconds)
    except RedisError as error:
        event(_log, f"{stage}.not_ended", level=logging.WARNING, job_id=job_id, error=type(error).__name__)
        loop: Any = get_event_loop()
        if tries > 1 and loop is not None:
            loop.call_later(_AGAIN_SECONDS, lambda: end_overtime(job_id, stage, seconds, tries=tries - 1))
    finally:
        redis.close()
