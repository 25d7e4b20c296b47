"""The job a worker process is busy with, so that the thread beside the tasks can renew its lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.contracts.jobs import Jobs


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


HOLD = Hold()
"""This process's."""
