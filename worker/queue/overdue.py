"""Finds open jobs that need attention: their lease has run out, and their message is nowhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from redis import Redis

from app.contracts.names import QUEUE_CROWD, QUEUE_LARGE, QUEUE_PROTECT, QUEUE_SCORE
from app.contracts.queues import queue_of
from app.contracts.records.jobs import Job, Jobs
from app.contracts.redis.messages import queue_key, waiting

_QUEUES: Final = (QUEUE_PROTECT, QUEUE_LARGE, QUEUE_SCORE, QUEUE_CROWD)
_RUN: Final = "poise:redis:run"


@dataclass(frozen=True, slots=True)
class OverdueJobs:
    """Compares the leases of jobs with the messages in their queues."""

    redis: Redis
    jobs: Jobs

    def take(self) -> list[Job]:
        """Jobs whose lease has run out and that need attention, each given to one caller only; all get a new lease.

        One that has ended must be cleaned up. One that waits needs a message if its queue has fewer of them
        than there are jobs due for it: as many as are missing, the oldest first. The messages of all others still wait
        there, and sending them again and again would let the queue of a worker that is down grow without end.
        """
        now = time.time()
        due = self.jobs.leases.due(now)
        if not due:
            return []
        jobs = self.jobs.open()
        gone = due.keys() - jobs.keys()
        if gone:
            self.jobs.leases.close(*gone)
        missing = self._missing(jobs.values())
        taken: list[Job] = []
        found = [jobs[job_id] for job_id in due if job_id in jobs]
        for job in sorted(found, key=lambda job: job.progress.created_at):
            if not self.jobs.leases.take(job.job_id, now):
                continue
            if job.stage is None or due[job.job_id] or missing[queue_of(job)] > 0:
                taken.append(job)
                missing[queue_of(job)] -= 1
        return taken

    def ended(self) -> list[Job]:
        """Jobs that have ended and must be cleaned up. Finding them writes nothing."""
        return [job for job in self.jobs.open().values() if job.stage is None]

    def redis_run(self) -> str:
        """The id of the Redis process, which changes at every start."""
        return str(self.redis.info("server")["run_id"])

    def expedite_after_restart(self, run: str) -> bool:
        """Make every waiting job without a message overdue, if nobody has noted yet that Redis is ``run``.

        Returns whether it was restarted. What was written in the last second before Redis was killed is not on its
        disk, and messages that a worker held come back only after the visibility timeout. Messages that are still
        there are not sent a second time: they would pile up over several restarts.
        """
        before = cast("bytes | None", self.redis.set(_RUN, run, get=True))
        if before is None or before.decode() == run:
            return False
        waits = {queue: waiting(self.redis, queue) for queue in _QUEUES}
        there = {job_id for job_id, job in self.jobs.open().items() if job_id in waits.get(queue_of(job) or "", ())}
        self.jobs.leases.expire_waiting(but=there)
        return True

    def expedite_stranded(self) -> int:
        """Make jobs overdue that have waited for a while although no message does. Returns how many.

        A worker holds their message, and a live worker takes one at a time. Sending it again needlessly does no harm;
        the message of a killed worker would come back only after the visibility timeout.
        """
        if any(self.redis.llen(queue_key(queue)) for queue in _QUEUES):
            return 0
        return self.jobs.leases.expire_stranded()

    def _missing(self, jobs: Iterable[Job]) -> Counter[str | None]:
        """How many messages each queue lacks. Jobs in progress count as well: any may be lost."""
        missing = Counter(queue_of(job) for job in jobs)
        for queue in _QUEUES:
            missing[queue] -= int(self.redis.llen(queue_key(queue)))
        return missing
