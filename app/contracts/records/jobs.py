"""Job records in Redis.

A job has two names. The *result id* is what its owner holds: unguessable, the only key to the result, never logged and
stored only as a hash. The *job id* is internal: it travels through queues, names blobs and appears in logs.

A record is created once and afterwards only changed while it exists. Once it is deleted, or has expired, nothing
brings it back: a late worker's change raises :class:`JobGone`. Jobs that still have work to do stand in a sorted set
under the time their lease runs out; the sweeper comes back to those whose time has come. The lease of a job that waits
is long, since its message is most likely still queued; that of a job somebody works on is short and renewed meanwhile.
A job that has ended stands there until its original is erased, which :meth:`Jobs.close` records.

Every change of a record is announced on the channel ``CHANGED`` with the job id, for whoever waits for one. Nobody may
rely on an announcement: it is lost where Redis was away for a moment.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis, WatchError

from app.contracts.names import QUEUE_CROWD, QUEUE_LARGE, QUEUE_PROTECT, QUEUE_SCORE, FormatChoice, Stage
from app.contracts.queues import queue_of
from app.contracts.redis import transactions
from app.contracts.redis.messages import queue_key, waiting
from app.contracts.report import Progress, Source
from app.contracts.settings import Settings

RESULT_ID: Final = re.compile(r"[A-Za-z0-9_-]{32}")

WAITING_SECONDS: Final = 90.0
"""Lease of a job that waits in a queue. A message sent again for nothing does no harm."""
HELD_SECONDS: Final = 15.0
"""Lease of a job that is worked on, from its last renewal, and of one that has ended."""
STRANDED_SECONDS: Final = 20.0
"""A job that has waited for so long while its queue is empty may have lost its message."""

CHANGED: Final = "poise:changed"
"""The channel on which the internal ids of changed and deleted jobs are announced."""

_LONGEST_SECONDS: Final = WAITING_SECONDS + 30.0
"""No lease ends later, though clocks of machines differ: one that does was given before a clock was set back."""
_OPEN: Final = "poise:open"
_LOST: Final = 0.0
"""Instead of the end of a lease: the job is sent again whether or not its queue seems to lack a message."""
_QUEUES: Final = (QUEUE_PROTECT, QUEUE_LARGE, QUEUE_SCORE, QUEUE_CROWD)
_AT_ONCE: Final = 1000
"""Questions one round trip takes to Redis."""
ACTIVE: Final = "poise:perturbation:active"
"""JSON of the ``ActivePerturbation`` new photos get; see ``versions``."""
VERSIONS: Final = "poise:perturbation:versions"
"""The set of versions a photo may ask for."""
_RUN: Final = "poise:redis:run"


class JobGone(Exception):
    """The job was deleted or has expired: whatever was made for it must go as well."""


class QueueFull(Exception):
    """As many jobs are open as may be."""


class Options(BaseModel):
    """What the owner asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatChoice = "keep"
    scores: bool = True
    previews: bool = True
    """Whether scoring keeps what the generators made; nothing without scores."""
    perturbation: str | None = None


class Job(BaseModel):
    """Everything known about one photo, except its bytes and its owner's result id."""

    model_config = ConfigDict(extra="forbid")

    job_id: str
    result_key: str
    options: Options
    progress: Progress
    attempts: dict[Stage, int] = Field(default_factory=dict)
    media_type: str | None = None
    """Of the protected copy, once it exists."""
    previews: tuple[tuple[str, str], ...] = ()
    """Architecture and edit of every kept preview, once scored."""
    failing_since: datetime | None = None
    """When the storage first failed the stage that is due; ``None`` where it has not."""
    revision: int = 0
    """How often the record was changed."""

    @property
    def stage(self) -> Stage | None:
        """What is to be done next; ``None`` where the job has ended."""
        if self.progress.status in ("queued", "running"):
            return "protect"
        if self.progress.status == "protected" and self.progress.scores_status == "pending":
            return "score"
        return None


class Jobs:
    """The records of one Redis.

    Args:
        redis: a client that returns ``bytes`` (the default).
        settings: limits, retention and leases.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings

    def create(
        self,
        source: Source,
        options: Options,
        *,
        job_id: str,
        beside: Callable[[Redis, str, datetime], None] | None = None,
    ) -> tuple[str, Job]:
        """Record an accepted photo whose blob ``job_id`` is already stored: its result id, and the job.

        beside: adds commands to the same transaction, given its pipeline, the result id and when the result expires.

        Raises:
            QueueFull: as many jobs are open as may be.
        """
        if self._redis.zcard(_OPEN) >= self._settings.max_open_jobs:
            raise QueueFull
        result_id = secrets.token_urlsafe(24)
        now = datetime.now(UTC)
        job = Job(
            job_id=job_id,
            result_key=_result_key(result_id),
            options=options,
            progress=Progress(
                created_at=now,
                expires_at=now + timedelta(seconds=self._settings.retention_seconds),
                source=source,
                scores_status="pending" if options.scores else "off",
            ),
        )
        with self._redis.pipeline(transaction=True) as pipe:
            self._store(pipe, job)
            pipe.set(job.result_key, job_id)
            pipe.expireat(job.result_key, job.progress.expires_at)
            pipe.zadd(_OPEN, {job_id: time.time() + WAITING_SECONDS})
            if beside is not None:
                beside(pipe, result_id, job.progress.expires_at)
            pipe.execute()
        return result_id, job

    def find(self, result_id: str) -> Job | None:
        """The job a result id opens."""
        if not RESULT_ID.fullmatch(result_id):
            return None
        job_id = cast("bytes | None", self._redis.get(_result_key(result_id)))
        return None if job_id is None else self.get(job_id.decode())

    def get(self, job_id: str) -> Job | None:
        """The job of an internal id."""
        raw = cast("bytes | None", self._redis.get(_record_key(job_id)))
        return None if raw is None else Job.model_validate_json(raw)

    def update(self, job_id: str, change: Callable[[Job], None], *, held: bool = False) -> Job:
        """Apply ``change`` to the record as one atomic step; it may run again where another change came between.

        The job gets a new lease. held: the caller goes on working on it, or somebody is to come back to it soon.

        Raises:
            JobGone: there is no such job any more.
        """

        def store(pipe: Redis, job: Job) -> None:
            self._store(pipe, job)
            pipe.publish(CHANGED, job_id)
            short = held or job.stage is None
            pipe.zadd(_OPEN, {job_id: time.time() + (HELD_SECONDS if short else WAITING_SECONDS)})

        job = transactions.update(self._redis, _record_key(job_id), Job, change, store)
        if job is None:
            raise JobGone
        return job

    def delete(self, job: Job) -> None:
        """Forget a job at once."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(job.job_id), job.result_key)
            pipe.zrem(_OPEN, job.job_id)
            pipe.publish(CHANGED, job.job_id)
            pipe.execute()

    def close(self, job_id: str) -> None:
        """Record that nothing is left to do for a job that has ended."""
        self._redis.zrem(_OPEN, job_id)

    def gone(self, job_ids: Sequence[str]) -> list[str]:
        """Those of ``job_ids`` that were deleted or have expired."""
        found: list[str] = []
        for start in range(0, len(job_ids), _AT_ONCE):
            some = job_ids[start : start + _AT_ONCE]
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id in some:
                    pipe.exists(_record_key(job_id))
                found += [job_id for job_id, there in zip(some, pipe.execute(), strict=True) if not there]
        return found

    def overdue(self) -> list[Job]:
        """Jobs whose lease has run out and that need somebody, each given to one caller only; all get a new lease.

        One that has ended needs to be tidied up after. One that waits needs a message if its queue has fewer of them
        than there are jobs due for it: as many as are missing, the oldest first. The messages of all others still wait
        there, and sending them again and again would let the queue of a worker that is down grow without end.
        """
        now = time.time()
        due = [(raw, until) for raw, until in self._leases() if _is_due(until, now)]
        if not due:
            return []
        jobs = self._all_open()
        expired = [raw for raw, _ in due if raw.decode() not in jobs]
        if expired:
            self._redis.zrem(_OPEN, *expired)
        missing = self._missing(jobs.values())
        lost = {raw.decode() for raw, until in due if until == _LOST}
        taken: list[Job] = []
        found = [jobs[raw.decode()] for raw, _ in due if raw.decode() in jobs]
        for job in sorted(found, key=lambda job: job.progress.created_at):
            if not self._take(job.job_id, now):
                continue
            if job.stage is None or job.job_id in lost or missing[queue_of(job)] > 0:
                taken.append(job)
                missing[queue_of(job)] -= 1
        return taken

    def ended(self) -> list[Job]:
        """Jobs that have ended and are to be tidied up after. Nothing is written to find them."""
        return [job for job in self._all_open().values() if job.stage is None]

    def _leases(self) -> list[tuple[bytes, float]]:
        """Every open job's id, and when its lease ends."""
        return cast("list[tuple[bytes, float]]", self._redis.zrange(_OPEN, 0, -1, withscores=True))

    def renew(self, job_id: str) -> None:
        """Renew the lease of a job that is worked on; nothing happens where it has none any more, or a longer one."""
        self._redis.zadd(_OPEN, {job_id: time.time() + HELD_SECONDS}, xx=True, gt=True)

    def release_leases(self) -> int:
        """Make every open job overdue: for a start at which nobody else can be working. Returns how many are open."""
        return self._expedite("-inf", "+inf")

    def redis_run(self) -> str:
        """Which process Redis is: another id after every start."""
        return str(self._redis.info("server")["run_id"])

    def expedite_after_restart(self, run: str) -> bool:
        """Make every waiting job without a message overdue, if nobody has said yet that Redis is ``run``.

        Returns whether it was started anew. What was written in the last second before Redis was killed is not on its
        disk, and what a worker had in its hands comes back only after the visibility timeout. Messages that are still
        there are not sent a second time: under one restart after the other they would pile up.
        """
        before = cast("bytes | None", self._redis.set(_RUN, run, get=True))
        if before is None or before.decode() == run:
            return False
        waits = {queue: waiting(self._redis, queue) for queue in _QUEUES}
        there = {job_id for job_id, job in self._all_open().items() if job_id in waits.get(queue_of(job) or "", ())}
        self._expedite(time.time() + HELD_SECONDS, "+inf", but=there)
        return True

    def expedite_stranded(self) -> int:
        """Make jobs overdue that have waited for a while although no message does; how many there are.

        Theirs is in the hands of a worker, and whoever is alive takes one at a time. Sent again for nothing it does no
        harm; of a worker that was killed it would come back only after the visibility timeout.
        """
        if any(self._redis.llen(queue_key(queue)) for queue in _QUEUES):
            return 0
        now = time.time()
        return self._expedite(now + HELD_SECONDS, now + WAITING_SECONDS - STRANDED_SECONDS)

    def _expedite(self, earliest: float | str, latest: float | str, *, but: Collection[str] = ()) -> int:
        """Make jobs overdue whose lease runs out between two times, as if theirs were lost; how many there are."""
        leases = cast("list[bytes]", self._redis.zrangebyscore(_OPEN, earliest, latest))
        found = [raw for raw in leases if raw.decode() not in but]
        if found:
            self._redis.zadd(_OPEN, dict.fromkeys(found, _LOST), xx=True)
        return len(found)

    def _all_open(self) -> dict[str, Job]:
        """Every open job by its id, those that have expired left out."""
        jobs: dict[str, Job] = {}
        ids = [raw.decode() for raw in cast("list[bytes]", self._redis.zrange(_OPEN, 0, -1))]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = cast("list[bytes | None]", self._redis.mget([_record_key(job_id) for job_id in some]))
            for job_id, raw in zip(some, found, strict=True):
                if raw is not None:
                    jobs[job_id] = Job.model_validate_json(raw)
        return jobs

    def _missing(self, jobs: Iterable[Job]) -> Counter[str | None]:
        """How many messages each queue lacks. Jobs that are worked on count as well: any may be lost."""
        missing = Counter(queue_of(job) for job in jobs)
        for queue in _QUEUES:
            missing[queue] -= int(self._redis.llen(queue_key(queue)))
        return missing

    def open(self) -> int:
        """How many jobs have work left to do."""
        return int(self._redis.zcard(_OPEN))

    def active(self) -> bytes | None:
        """The JSON of the active perturbation, once a worker has published it."""
        return cast("bytes | None", self._redis.get(ACTIVE))

    def versions(self) -> set[str]:
        """The perturbations a photo may ask for beside the active one: those the workers have published."""
        return {raw.decode() for raw in cast("set[bytes]", self._redis.smembers(VERSIONS))}

    def _take(self, job_id: str, now: float) -> bool:
        """Renew the lease of an overdue job, unless another sweeper was faster."""
        with self._redis.pipeline(transaction=True) as pipe:
            try:
                pipe.watch(_OPEN)
                score = pipe.zscore(_OPEN, job_id)
                if score is None or not _is_due(score, now):
                    return False
                pipe.multi()
                pipe.zadd(_OPEN, {job_id: now + WAITING_SECONDS}, xx=True)
                pipe.execute()
            except WatchError:
                return False
            return True

    def _store(self, pipe: Redis, job: Job) -> None:
        pipe.set(_record_key(job.job_id), job.model_dump_json())
        pipe.expireat(_record_key(job.job_id), job.progress.expires_at)


def _is_due(until: float, now: float) -> bool:
    return until <= now or until > now + _LONGEST_SECONDS


def new_job_id() -> str:
    """A fresh internal id."""
    return secrets.token_hex(16)


def _record_key(job_id: str) -> str:
    return f"poise:job:{job_id}"


def _result_key(result_id: str) -> str:
    return "poise:result:" + hashlib.sha256(result_id.encode()).hexdigest()
