"""Training records in Redis, and the one lease that lets a single training run at a time.

A training is *open* until it has ended; the oldest comes first. The holder of the lease works on it:
:meth:`Trainings.claim` takes both in one step, and the holder renews the lease while it works. A task message is only a
wake-up call; a lost one costs seconds, since the sweeper calls again for an open training that nobody works on.

A claimed training that was running before has lost its worker. One that keeps doing so without any progress is
given up.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis, WatchError

from app.contracts.names import DEFAULT_PRESET, DEFAULT_WEIGHTING
from app.contracts.problems import Internal, ProblemDocument, Unavailable
from app.contracts.records import curves
from app.contracts.records.curves import Point
from app.contracts.redis import transactions

Status = Literal["queued", "running", "succeeded", "rejected", "failed", "cancelled"]
ENDED: Final = frozenset({"succeeded", "rejected", "failed", "cancelled"})

LEASE_SECONDS: Final = 15
"""The lease of the training that runs, from its last renewal."""
CALL_SECONDS: Final = 60
"""A wake-up call is repeated after this long at the earliest, unless the one before was answered."""
MOST_OPEN: Final = 20
MOST_KEPT: Final = 200
"""The most records kept; the oldest trainings go first."""
MOST_CRASHES: Final = 3
FILES_FAILING_LIMIT: Final = timedelta(minutes=10)
"""How long a training may fail on its files without progress."""

_BY_AGE: Final = "poise:trainings"
_OPEN: Final = "poise:trainings:open"
_LEASE: Final = "poise:trainings:lease"
_CALLED: Final = "poise:trainings:called"


class TrainingGone(Exception):
    """There is no such training any more."""


class TooManyTrainings(Exception):
    """The limit on open trainings is reached."""


class Request(BaseModel):
    """What to train; everything is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weighting: str = Field(DEFAULT_WEIGHTING, description="How a step is divided among the targets, such as `aef`.")
    targets: tuple[str, ...] | None = Field(None, description="Generators to train against. Null: all enabled ones.")
    epsilon: float = Field(0.05, ge=0.004, le=0.5, description="Bound of the change, in units of [-1, 1].")
    preset: str = Field(DEFAULT_PRESET, description="How long to train, such as `quick` or `full`.")
    steps: int | None = Field(None, ge=1, le=100_000, description="Steps in place of the preset's. Null: the preset's.")
    dataset: str | None = Field(None, description="The dataset to train on. Null: the faces that ship.")
    warm_start: str | None = Field(None, description="A version to start from, or `active`. Null: start from scratch.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    activate: bool = Field(
        True,
        description="Whether the result becomes active if it is good enough. Otherwise it waits for an administrator.",
    )


class Training(BaseModel):
    """Everything known about one training."""

    model_config = ConfigDict(extra="forbid")

    id: str
    status: Status = "queued"
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    request: Request
    cancelling: bool = Field(False, description="It was asked to stop, and stops at its next step.")
    stage: str | None = Field(None, description="The current stage: reading, alone-…, together, comparing.")
    step: int = 0
    steps: int = Field(
        0, description="Steps of all stages. Grows if a target resists, because larger bounds are then tried."
    )
    done: dict[str, int] = Field(default_factory=dict, description="Steps done, by stage.")
    losses: dict[str, float] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)
    effect: dict[str, float | None] = Field(
        default_factory=dict,
        description="Mean L2mask per generator, of the last batch; of the result, once measured.",
    )
    perturbation: str | None = Field(None, description="The resulting version.")
    comparison: dict[str, Any] | None = Field(None, description="The result compared with the version that was active.")
    error: ProblemDocument | None = Field(None, description="Why it failed, or why its result was not activated.")
    revision: int = Field(0, description="How often the record was changed.")
    crashes: int = Field(0, description="How often it lost its worker without progress in between.")
    crashed_at: int = Field(-1, description="The step at which that last happened.")
    failing_since: datetime | None = Field(
        None, description="When a file it needs first could not be read or written since it last made progress."
    )
    failing_at: int = Field(-1, description="The step it was at then.")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED


class Trainings:
    """The records of one Redis, by a client that returns ``bytes``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def create(self, request: Request) -> Training:
        """Queue a training.

        Raises:
            TooManyTrainings: the limit on open trainings is reached.
        """
        if self._redis.zcard(_OPEN) >= MOST_OPEN:
            raise TooManyTrainings
        training = Training(id=secrets.token_hex(8), created_at=datetime.now(UTC), request=request)
        age = time.time()
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(training.id), training.model_dump_json())
            pipe.zadd(_BY_AGE, {training.id: age})
            pipe.zadd(_OPEN, {training.id: age})
            pipe.execute()
        self._forget_oldest()
        return training

    def get(self, training_id: str) -> Training | None:
        """The record of an id."""
        raw = cast("bytes | None", self._redis.get(_key(training_id)))
        return None if raw is None else Training.model_validate_json(raw)

    def all(self) -> list[Training]:
        """Every record, the newest first."""
        ids = cast("list[bytes]", self._redis.zrevrange(_BY_AGE, 0, -1))
        if not ids:
            return []
        found = cast("list[bytes | None]", self._redis.mget([_key(raw.decode()) for raw in ids]))
        return [Training.model_validate_json(raw) for raw in found if raw is not None]

    def open(self) -> list[Training]:
        """Trainings that have not ended, the oldest first."""
        found = [self.get(raw.decode()) for raw in cast("list[bytes]", self._redis.zrange(_OPEN, 0, -1))]
        return [training for training in found if training is not None]

    def update(self, training_id: str, change: Callable[[Training], None]) -> Training:
        """Apply ``change`` to the record as one atomic step; it may run again if another change came between.

        Raises:
            TrainingGone: there is no such training.
        """
        updated = transactions.update(self._redis, _key(training_id), Training, change, _store)
        if updated is None:
            raise TrainingGone
        return updated.record

    def update_open(self, training_id: str, change: Callable[[Training], None]) -> Training | None:
        """As :meth:`update`, while the training has not ended; afterwards it stays unchanged, and ``None`` is returned.

        Raises:
            TrainingGone: there is no such training.
        """
        updated = transactions.update(
            self._redis, _key(training_id), Training, change, _store, only=lambda training: not training.ended
        )
        if updated is None:
            raise TrainingGone
        return updated.record if updated.changed else None

    def add_point(self, training_id: str, point: Point) -> None:
        """Add to the curve of a training."""
        curves.add(self._redis, training_id, point)

    def curve(self, training_id: str, *, after: int = -1) -> list[Point]:
        """The curve of a training, after a step."""
        return curves.read(self._redis, training_id, after=after)

    def cancel(self, training_id: str) -> Training:
        """Cancel a training: at once if it waits; one that runs is asked to stop. One that has ended stays as it is.

        Raises:
            TrainingGone: there is no such training.
        """

        def change(training: Training) -> None:
            if training.status == "queued":
                end(training, "cancelled")
            elif not training.ended:
                training.cancelling = True

        return self.update(training_id, change)

    def claim(self, token: str) -> Training | None:
        """The oldest open training, now running under the caller's lease; ``None`` if there is none to work on.

        token: unguessable and the caller's own. Trainings that have crashed too often, or were cancelled while nobody
        worked on them, are ended on the way.
        """
        self._redis.delete(_CALLED)
        if not self._redis.set(_LEASE, token, nx=True, ex=LEASE_SECONDS):
            return None
        for raw in cast("list[bytes]", self._redis.zrange(_OPEN, 0, -1)):
            try:
                training = self.update(raw.decode(), _begin)
            except TrainingGone:
                self._redis.zrem(_OPEN, raw)
                continue
            if not training.ended:
                return training
        self.release(token)
        return None

    def renew(self, token: str) -> bool:
        """Renew the caller's lease, or take it again if it ran out unnoticed; whether the caller holds it now."""
        if self._redis.set(_LEASE, token, nx=True, ex=LEASE_SECONDS):
            return True
        return self._if_held(token, lambda pipe: pipe.expire(_LEASE, LEASE_SECONDS))

    def release(self, token: str) -> None:
        """Give the caller's lease back."""
        self._if_held(token, lambda pipe: pipe.delete(_LEASE))

    def _if_held(self, token: str, change: Callable[[Redis], object]) -> bool:
        """Apply ``change`` to the lease if it is the caller's. Returns whether it was."""
        with self._redis.pipeline(transaction=True) as pipe:
            try:
                pipe.watch(_LEASE)
                if pipe.get(_LEASE) != token.encode():
                    return False
                pipe.multi()
                change(pipe)
                pipe.execute()
            except WatchError:
                return False
        return True

    def call_is_due(self) -> str | None:
        """The id to call a trainer for, to one caller only: something is open, nobody works, no call is under way."""
        waiting = cast("list[bytes]", self._redis.zrange(_OPEN, 0, 0))
        if not waiting:
            return None
        for key, seconds in ((_LEASE, LEASE_SECONDS), (_CALLED, CALL_SECONDS)):
            if int(self._redis.ttl(key)) > seconds:  # a clock was set back
                self._redis.expire(key, seconds)
        if self._redis.exists(_LEASE):
            return None
        called = self._redis.set(_CALLED, waiting[0], nx=True, ex=CALL_SECONDS)
        return waiting[0].decode() if called else None

    def take_over(self) -> None:
        """Free the lease, and queue the interrupted training again: for a start at which no trainer can be alive.

        A service that is stopped in the middle of a training has not crashed.
        """
        self._redis.delete(_LEASE, _CALLED)
        for raw in cast("list[bytes]", self._redis.zrange(_OPEN, 0, -1)):
            try:
                self.update(raw.decode(), set_back)
            except TrainingGone:
                self._redis.zrem(_OPEN, raw)

    def _forget_oldest(self) -> None:
        for raw in cast("list[bytes]", self._redis.zrange(_BY_AGE, 0, -MOST_KEPT - 1)):
            training = self.get(raw.decode())
            if training is None or training.ended:
                self._redis.delete(_key(raw.decode()))
                curves.forget(self._redis, raw.decode())
                self._redis.zrem(_BY_AGE, raw)


def end(training: Training, status: Status, *, error: ProblemDocument | None = None) -> None:
    """Record that nothing more will happen to ``training``."""
    training.status = status
    training.ended_at = datetime.now(UTC)
    training.stage = None
    training.error = error


def set_back(training: Training) -> None:
    """Queue a training again that was stopped in good order."""
    if training.status == "running":
        training.status = "queued"


def put_off(training: Training) -> None:
    """Queue a training again whose files could not be read or written, unless this has lasted too long."""
    if training.ended:
        return
    now = datetime.now(UTC)
    if training.failing_since is None or training.step > training.failing_at:
        training.failing_since, training.failing_at = now, training.step
    if now - training.failing_since > FILES_FAILING_LIMIT:
        problem = Unavailable(
            "Files of the training could not be read or written for some minutes; the worker's log says why. "
            "Make sure that the storage answers and that there is room on the disk, and start the training again."
        )
        end(training, "failed", error=problem.document())
    else:
        set_back(training)


def _begin(training: Training) -> None:
    """Start the training, unless it was cancelled or has crashed its workers too often."""
    if training.cancelling:
        end(training, "cancelled")
        return
    if training.status == "running":
        again = training.step <= training.crashed_at
        training.crashes = training.crashes + 1 if again else 1
        training.crashed_at = max(training.crashed_at, training.step)
        if training.crashes >= MOST_CRASHES:
            problem = Internal(
                f"The training lost its worker {training.crashes} times around step {training.step}; "
                "the worker's log says why. Too little memory is the usual reason."
            )
            end(training, "failed", error=problem.document())
            return
    training.status = "running"
    training.started_at = training.started_at or datetime.now(UTC)


def _store(pipe: Redis, training: Training) -> None:
    pipe.set(_key(training.id), training.model_dump_json())
    if training.ended:
        pipe.zrem(_OPEN, training.id)


def _key(training_id: str) -> str:
    return f"poise:training:{training_id}"
