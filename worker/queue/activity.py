"""What a worker process is doing right now, for its background threads and its parent."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.contracts.records.trainings import Trainings
from app.contracts.redis.leases import JobLeases


class CurrentJob:
    """At most one job at a time: a worker process takes no second one before the first is over."""

    def __init__(self) -> None:
        self._job_id: str | None = None

    @contextmanager
    def on(self, job_id: str) -> Iterator[None]:
        """Work on ``job_id`` while the body runs."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = None

    def renew(self, leases: JobLeases) -> None:
        """Renew the lease of the job. A job that has just ended has no lease and gets none."""
        job_id = self._job_id
        if job_id is not None:
            leases.renew(job_id)


class TrainingLease:
    """The lease of a training. lost: another trainer has taken it, and the training with it."""

    def __init__(self) -> None:
        self._token: str | None = None
        self.lost = False

    @contextmanager
    def on(self, token: str) -> Iterator[None]:
        """Hold the lease taken with ``token`` while the body runs."""
        self._token, self.lost = token, False
        try:
            yield
        finally:
            self._token = None

    def renew(self, trainings: Trainings) -> None:
        """Renew the lease, if held."""
        token = self._token
        if token is not None and not trainings.renew(token):
            self.lost = True


class Activity:
    """All current activity. Create it in the parent, before its children are forked, since they share ``stopping``.

    job, training: what is worked on, for the thread that renews its lease. busy: set while a task runs. stopping: set
    in the parent when it is asked to stop, for its children to see.
    """

    def __init__(self) -> None:
        self.job = CurrentJob()
        self.training = TrainingLease()
        self.busy = threading.Event()
        self.stopping = multiprocessing.get_context("fork").Event()
