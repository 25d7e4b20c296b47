"""Sends jobs again whose lease ran out and removes orphaned photos: nothing is lost, and nothing erased stays."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from redis import RedisError, ResponseError

from app.contracts.logs import event
from app.contracts.queues import task_of
from app.contracts.records.jobs import Jobs
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage.blobs import Blobs
from worker.queue.admin_sweeper import AdminSweeper
from worker.queue.erasure import erase_what_goes, tidy_up
from worker.queue.overdue import OverdueJobs

_log = logging.getLogger(__name__)

JOBS_SECONDS: Final = 10.0
"""Pause between checks of the open jobs."""
BLOBS_SECONDS: Final = 60.0
"""Pause between scans of the blob store."""
BLOBS_SHARE: Final = 0.02
"""The share of one processor that these checks may take: if they last long, the pauses grow."""
ORPHAN_SECONDS: Final = 120.0
"""A photo is stored a moment before its job is recorded; only older ones can be orphans."""


@dataclass(slots=True)
class Sweeper:
    """Looks after jobs, as every process does, and after blobs, which one does for all.

    send: hands a task, by name, and a job id to the queues. blobs_schedule: whose turn it is to scan the blob store.
    """

    jobs: Jobs
    overdue: OverdueJobs
    blobs: Blobs
    send: Callable[[str, str], None]
    blobs_schedule: SharedSchedule
    admin: AdminSweeper | None = None
    _jobs_due: float = 0.0
    _admin_due: float = 0.0
    _run: str | None = None

    def sweep_if_due(self, now: float) -> bool:
        """Do what is due at ``now`` (monotonic seconds); all is due at first, the jobs also after Redis restarted.

        A failure does not stop the other parts. Erasing comes first and needs no write to Redis, which refuses writes
        when its disk or memory is full.

        Returns whether Redis was restarted since the last call.
        """
        with _isolated("photos"):
            self._sweep_blobs(now)
        restarted = False
        with _isolated("jobs"):
            run = self.overdue.redis_run()
            self._sweep_jobs(now, run)
            # noted last: a sweep that fails on the way is asked again
            restarted, self._run = self._run not in (None, run), run
        if self.admin is not None and now >= self._admin_due:
            with _isolated("administration"):
                self.admin.sweep(now)
                self._admin_due = now + JOBS_SECONDS
        return restarted

    def _sweep_blobs(self, now: float) -> None:
        if self.blobs_schedule.claim(now):
            began = time.monotonic()
            self.remove_orphans(older_than=ORPHAN_SECONDS)
            self.blobs_schedule.put_off((time.monotonic() - began) / BLOBS_SHARE)

    def _sweep_jobs(self, now: float, run: str) -> None:
        if self.overdue.expedite_after_restart(run):
            event(_log, "redis.restarted")
            self._jobs_due = now
        if now < self._jobs_due:
            return
        self._jobs_due = now + JOBS_SECONDS
        try:
            self.resend()
        except ResponseError:  # Redis takes no writes
            self.erase_ended()
            raise

    def erase_ended(self) -> None:
        """Erase the data of ended jobs even if Redis cannot record that."""
        for job in self.overdue.ended():
            erase_what_goes(self.blobs, job)

    def resend(self) -> int:
        """Send every overdue job to the queue of its stage, and clean up ended ones. Returns how many."""
        self.overdue.expedite_stranded()
        overdue = self.overdue.take()
        for job in overdue:
            task = task_of(job)
            if task is None:
                tidy_up(self.jobs, self.blobs, job)
            else:
                event(_log, "protection.sent_again", job_id=job.job_id, stage=job.stage)
                self.send(task, job.job_id)
        return len(overdue)

    def remove_orphans(self, *, older_than: float) -> int:
        """Erase blobs whose job was deleted or has expired. Returns the number of these jobs."""
        gone = self.jobs.gone(list(self.blobs.jobs()))
        orphans = [job_id for job_id in gone if self.blobs.unchanged(job_id, seconds=older_than)]
        for job_id in orphans:
            self.blobs.erase(job_id)
            event(_log, "protection.orphan_erased", job_id=job_id)
        self.blobs.clean(older_than=older_than)
        return len(orphans)


@contextmanager
def _isolated(duty: str) -> Iterator[None]:
    """Errors in the block are logged and go no further."""
    try:
        yield
    except (RedisError, OSError) as error:
        event(_log, "sweeper.failed", level=logging.WARNING, duty=duty, error=type(error).__name__)
