"""The tasks: deserialise, call, store. Their names are the contract's; their only argument is the internal job id."""

from __future__ import annotations

import logging
from functools import cache, partial

from kombu.exceptions import OperationalError

from app.contracts.logs import event
from app.contracts.names import CHECK_ARCHITECTURE, PROTECT, PROTECT_LARGE, SCORE, SCORE_CROWD, TRAIN
from app.contracts.records.jobs import Jobs
from app.contracts.redis.messages import connect
from app.contracts.redis.metrics import sent_now
from app.contracts.settings import settings
from app.contracts.storage import storage_of
from app.contracts.storage.blobs import Blobs
from worker import engine
from worker.queue.celery_app import app
from worker.queue.leases import HOLD
from worker.queue.recorder import recorder
from worker.queue.stages import Stages
from worker.queue.time_limits import Limited

_log = logging.getLogger(__name__)


def send(task: str, job_id: str) -> None:
    """Hand a task to its queue. Raises ``OSError`` where Redis cannot be reached; the sweeper comes back to the job."""
    try:
        app.send_task(task, args=[job_id], headers=sent_now())
    except OperationalError as error:
        raise ConnectionError("the queue cannot be reached") from error


@cache
def stages() -> Stages:
    """The stages on this process's settings."""
    chosen = settings()
    return Stages(
        jobs=Jobs(connect(chosen), chosen),
        blobs=Blobs(storage_of(chosen)),
        send=send,
        hold=HOLD,
        recorder=recorder(),
        max_attempts=chosen.max_attempts,
        max_pixels=chosen.max_pixels,
        scored_faces=chosen.scored_faces,
    )


@app.task(name=PROTECT, Request=Limited, time_limit=settings().protect_seconds)
def protect(job_id: str) -> None:
    """Protect the photo of a job."""
    stages().protect(job_id, engine.library().perturbation)


@app.task(name=PROTECT_LARGE, Request=Limited, time_limit=settings().protect_seconds)
def protect_large(job_id: str) -> None:
    """Protect a photo that takes long."""
    protect(job_id)


@app.task(name=SCORE, Request=Limited, time_limit=settings().score_seconds)
def score(job_id: str) -> None:
    """Score the protected photo of a job."""
    targets = engine.library().targets
    stages().score(job_id, partial(targets, twins=False), partial(targets, twins=True))


@app.task(name=SCORE_CROWD, Request=Limited, time_limit=settings().score_seconds)
def score_crowd(job_id: str) -> None:
    """Score a photo of many faces."""
    score(job_id)


# the check has limits of its own; this one is for what lies around it: fetching and keeping the file
@app.task(name=CHECK_ARCHITECTURE, time_limit=3 * settings().check_seconds + settings().score_seconds)
def check_architecture(name: str) -> None:
    """Look at an uploaded checkpoint."""
    engine.library().check(name)


# acknowledged early: a training lasts longer than any message may stay unanswered, and its lease takes over from there
@app.task(name=TRAIN, acks_late=False, reject_on_worker_lost=False)
def train(training_id: str) -> None:
    """Work on the trainings that wait."""
    event(_log, "training.called", training=training_id)
    if engine.trainings().open():  # torch takes a second to import, and calls come for nothing at times
        engine.trainer().work()
