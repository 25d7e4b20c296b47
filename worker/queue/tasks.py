"""The tasks: deserialise, call, store. The contract names them; their only argument is the internal job id."""

from __future__ import annotations

import logging
from functools import partial

from celery import Celery

from app.contracts.logs import event
from app.contracts.names import CHECK_ARCHITECTURE, PROTECT, PROTECT_LARGE, SCORE, SCORE_CROWD, TRAIN
from worker.process import Process
from worker.queue.time_limits import TimeLimits

_log = logging.getLogger(__name__)


def declare(app: Celery, process: Process) -> None:
    """Tell Celery what ``process`` can do."""
    settings = process.settings
    limited = TimeLimits(process.connected).request()

    def protect(job_id: str) -> None:
        """Protect the photo of a job."""
        process.stages.protect(job_id, process.library.perturbation, process.library.others)

    def score(job_id: str) -> None:
        """Score the protected photo of a job."""
        targets = process.library.targets
        process.stages.score(job_id, partial(targets, twins=False), partial(targets, twins=True))

    def check_architecture(name: str) -> None:
        """Check an uploaded checkpoint."""
        process.library.check(name)

    def train(training_id: str) -> None:
        """Work on waiting trainings."""
        event(_log, "training.called", training=training_id)
        if process.trainings.open():  # torch takes a second to import, and calls come for nothing at times
            process.trainer.work()

    for name in (PROTECT, PROTECT_LARGE):
        app.task(protect, name=name, Request=limited, time_limit=settings.protect_seconds)
    for name in (SCORE, SCORE_CROWD):
        app.task(score, name=name, Request=limited, time_limit=settings.score_seconds)
    # the check has limits of its own; this one is for what lies around it: fetching and keeping the file
    app.task(
        check_architecture, name=CHECK_ARCHITECTURE, time_limit=3 * settings.check_seconds + settings.score_seconds
    )
    # acknowledged early: a training lasts longer than any message may stay unanswered, and its lease takes over then
    app.task(train, name=TRAIN, acks_late=False, reject_on_worker_lost=False)
