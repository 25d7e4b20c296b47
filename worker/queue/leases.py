"""What a worker process is busy with, so that a thread beside the tasks can renew its lease."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.contracts.records.jobs import Jobs
from app.contracts.records.trainings import Trainings


class Hold:
    """At most one job at a time: a worker process takes no second one before the first is over."""

    def __init__(self) -> None:
        self._job_id: str | None = None

    @contextmanager
    def on(self, job_id: str) -> Iterator[None]:
        """Hold ``job_id`` while the body runs."""
        self._job_id = job_id
        try:
            yield
        finally:
            self._job_id = None

    def renew(self, jobs: Jobs) -> None:
        """Renew the lease of what is held. A job that ended at this moment has no lease, and gets none."""
        job_id = self._job_id
        if job_id is not None:
            jobs.renew(job_id)


class Lease:
    """The lease of a training. lost: somebody else has taken it, and the training with it."""

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
        """Renew what is held."""
        token = self._token
        if token is not None and not trainings.renew(token):
            self.lost = True


HOLD: Final = Hold()
"""This process's."""
LEASE: Final = Lease()
"""This process's."""
BUSY: Final = threading.Event()
"""Whether this process works on a task."""
STOPPING: Final = multiprocessing.get_context("fork").Event()
"""Set in a worker's parent when it is asked to stop, for its child to see: made before the child is forked."""
