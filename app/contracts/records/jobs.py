"""Job records in Redis.

A job has two names. The *result id* is what its owner holds: unguessable, the only key to the result, never logged and
stored only as a hash. The *job id* is internal: it travels through queues, names blobs and appears in logs.

A record is created once and afterwards only changed while it exists. Once it is deleted, or has expired, nothing
brings it back: a late worker's change raises :class:`JobGone`. Jobs that still have work to do have a lease as well,
see :mod:`app.contracts.redis.leases`.

Every change of a record is announced on the channel ``CHANGED`` with the job id, for those who wait for one. Do not
rely on an announcement: it is lost if Redis was away for a moment.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from app.contracts.boxes import Box
from app.contracts.names import FormatChoice, Stage, Strength
from app.contracts.redis import transactions
from app.contracts.redis.leases import JobLeases
from app.contracts.report import Progress, Source
from app.contracts.settings import Settings

RESULT_ID: Final = re.compile(r"[A-Za-z0-9_-]{32}")

CHANGED: Final = "poise:changed"
"""The channel on which the internal ids of changed and deleted jobs are announced."""

_AT_ONCE: Final = 1000
"""Commands in one round trip to Redis."""


class JobGone(Exception):
    """The job was deleted or has expired: whatever was made for it must go as well."""


class QueueFull(Exception):
    """The limit on open jobs is reached."""


class Options(BaseModel):
    """What the owner asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatChoice = "keep"
    scores: bool = True
    previews: bool = True
    """Whether scoring keeps what the generators made; nothing without scores."""
    perturbation: str | None = None
    strength: Strength = "standard"
    faces: tuple[Box, ...] | None = None
    """Where the faces are; ``None`` to have them found."""

    def digested(self) -> bytes:
        """What tells two requests apart; the same in every release, so that a retry after an upgrade is recognised.

        So options that came later are left out unless they are chosen.
        """
        later = {"strength": self.strength == "standard", "faces": self.faces is None}
        return self.model_dump_json(exclude={name for name, left_out in later.items() if left_out}).encode()


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
    """When the storage first failed the stage that is due; ``None`` if it has not."""
    revision: int = 0
    """How often the record was changed."""

    @property
    def stage(self) -> Stage | None:
        """What is to be done next; ``None`` if the job has ended."""
        if self.progress.status in ("queued", "running"):
            return "protect"
        if self.progress.status == "protected" and self.progress.scores_status == "pending":
            return "score"
        return None


class Jobs:
    """The records of one Redis.

    Args:
        redis: a client that returns ``bytes`` (the default).
        settings: limits and retention.

    leases: those of the jobs that have work left to do.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.leases = JobLeases(redis)
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
            QueueFull: the limit on open jobs is reached.
        """
        if self.leases.count() >= self._settings.max_open_jobs:
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
                strength=options.strength,
                scores_status="pending" if options.scores else "off",
            ),
        )
        with self._redis.pipeline(transaction=True) as pipe:
            self._store(pipe, job)
            pipe.set(job.result_key, job_id)
            pipe.expireat(job.result_key, job.progress.expires_at)
            self.leases.give(pipe, job_id)
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
        """Apply ``change`` to the record as one atomic step; it may run again if another change came between.

        The job gets a new lease. held: the caller continues to work on it, or the sweeper is to come back to it soon.

        Raises:
            JobGone: there is no such job any more.
        """

        updated = self._update(job_id, change, held=held)
        return updated.record

    def advance(self, job_id: str, stage: Stage, change: Callable[[Job], None], *, held: bool = False) -> Job | None:
        """As :meth:`update`, while the job is due for ``stage``; otherwise ``None``, and nothing changes.

        Raises:
            JobGone: there is no such job any more.
        """
        updated = self._update(job_id, change, held=held, only=lambda job: job.stage == stage)
        return updated.record if updated.changed else None

    def _update(
        self, job_id: str, change: Callable[[Job], None], *, held: bool, only: Callable[[Job], bool] = lambda _: True
    ) -> transactions.Updated[Job]:
        def store(pipe: Redis, job: Job) -> None:
            self._store(pipe, job)
            pipe.publish(CHANGED, job_id)
            self.leases.give(pipe, job_id, short=held or job.stage is None)

        updated = transactions.update(self._redis, _record_key(job_id), Job, change, store, only=only)
        if updated is None:
            raise JobGone
        return updated

    def delete(self, job: Job) -> None:
        """Delete a job at once."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(job.job_id), job.result_key)
            self.leases.remove(pipe, job.job_id)
            pipe.publish(CHANGED, job.job_id)
            pipe.execute()

    def gone(self, job_ids: Sequence[str]) -> list[str]:
        """The ``job_ids`` that were deleted or have expired."""
        found: list[str] = []
        for start in range(0, len(job_ids), _AT_ONCE):
            some = job_ids[start : start + _AT_ONCE]
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id in some:
                    pipe.exists(_record_key(job_id))
                found += [job_id for job_id, there in zip(some, pipe.execute(), strict=True) if not there]
        return found

    def open(self) -> dict[str, Job]:
        """Every open job by its id, except expired ones."""
        jobs: dict[str, Job] = {}
        ids = self.leases.job_ids()
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = cast("list[bytes | None]", self._redis.mget([_record_key(job_id) for job_id in some]))
            for job_id, raw in zip(some, found, strict=True):
                if raw is not None:
                    jobs[job_id] = Job.model_validate_json(raw)
        return jobs

    def _store(self, pipe: Redis, job: Job) -> None:
        pipe.set(_record_key(job.job_id), job.model_dump_json())
        pipe.expireat(_record_key(job.job_id), job.progress.expires_at)


def new_job_id() -> str:
    """A fresh internal id."""
    return secrets.token_hex(16)


def _record_key(job_id: str) -> str:
    return f"poise:job:{job_id}"


def _result_key(result_id: str) -> str:
    return "poise:result:" + hashlib.sha256(result_id.encode()).hexdigest()
