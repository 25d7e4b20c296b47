"""The tasks: deserialise, call, store. Their names are the contract's; their only argument is the internal job id."""

from __future__ import annotations

from functools import cache, partial

from kombu.exceptions import OperationalError

from app.contracts.blobs import FolderBlobs
from app.contracts.broker import connect
from app.contracts.jobs import Jobs
from app.contracts.names import PROTECT, SCORE
from app.contracts.settings import settings
from worker import engine
from worker.celery_app import app
from worker.hold import HOLD
from worker.stages import Stages


def send(task: str, job_id: str) -> None:
    """Hand a task to its queue. Raises ``OSError`` where Redis cannot be reached; the sweeper comes back to the job."""
    try:
        app.send_task(task, args=[job_id])
    except OperationalError as error:
        raise ConnectionError("the queue cannot be reached") from error


@cache
def stages() -> Stages:
    """The stages on this process's settings."""
    chosen = settings()
    return Stages(
        jobs=Jobs(connect(chosen), chosen),
        blobs=FolderBlobs(chosen.blob_dir),
        send=send,
        hold=HOLD,
        max_attempts=chosen.max_attempts,
        max_pixels=chosen.max_pixels,
    )


@app.task(name=PROTECT, time_limit=settings().protect_seconds)
def protect(job_id: str) -> None:
    """Protect the photo of a job."""
    stages().protect(job_id, engine.perturbation)


@app.task(name=SCORE, time_limit=settings().score_seconds)
def score(job_id: str) -> None:
    """Score the protected photo of a job."""
    stages().score(job_id, partial(engine.surrogates, twins=False), partial(engine.surrogates, twins=True))
