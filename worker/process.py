"""The composition root: builds what the worker, the launcher and the commands work with, and hands it down.

Nothing else in ``worker`` connects to Redis, opens the storage or makes repositories of records. Everything is built
when it is first asked for, because Celery's parent process builds one :class:`Process` before it forks: a connection
must not be shared across a fork, and the parent must load neither torch nor a device. Hence the imports inside
functions: each of those modules loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from redis import Redis

from app.contracts.generator_limits import Allowance
from app.contracts.names import QUEUE_TRAIN, QUEUES
from app.contracts.records.datasets import Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.jobs import Jobs
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis import liveness
from app.contracts.redis.connection import connect, refuse_cluster
from app.contracts.redis.leases import JobLeases
from app.contracts.redis.metrics import Recorder
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.settings import Settings, parse_generators
from app.contracts.storage import Storage, storage_of
from app.contracts.storage.blobs import Blobs
from worker.credentials import credentials_of
from worker.queue.activity import Activity
from worker.queue.admin_sweeper import SLOW_SECONDS, VERSION_SECONDS, AdminSweeper
from worker.queue.duties import Duties
from worker.queue.overdue import OverdueJobs
from worker.queue.reserve_file import Reserve
from worker.queue.stages import Stages
from worker.queue.sweeper import BLOBS_SECONDS, Sweeper

if TYPE_CHECKING:
    from perturbations.faces import Locate
    from worker.generators.surrogates import Surrogates
    from worker.library import Library
    from worker.training.trainer import Trainer

Send = Callable[[str, str], None]
"""Hands a task, by name, and its one argument to the queues. Raises ``OSError`` if Redis cannot be reached."""


class Installation:
    """Redis, the storage, and the records in them. offline: without Redis, while the service may be stopped."""

    def __init__(self, settings: Settings, *, offline: bool = False) -> None:
        self.settings = settings
        self._offline = offline

    @cached_property
    def redis(self) -> Redis:
        """A client; offline, it is never used and so never connects."""
        return Redis() if self._offline else connect(self.settings)

    @cached_property
    def storage(self) -> Storage:
        """The storage of files. Raises ``BadSettings`` if the settings are unusable."""
        return storage_of(self.settings)

    @cached_property
    def blobs(self) -> Blobs:
        """Photos, their copies and previews."""
        return Blobs(self.storage)

    @cached_property
    def jobs(self) -> Jobs:
        """The records of photos."""
        return Jobs(self.redis, self.settings)

    @cached_property
    def trainings(self) -> Trainings:
        """The records of trainings."""
        return Trainings(self.redis)

    @cached_property
    def versions(self) -> Versions:
        """Perturbations."""
        return Versions(self.storage, None if self._offline else self.redis)

    @cached_property
    def datasets(self) -> Datasets:
        """Faces to train on."""
        return Datasets(self.storage, None if self._offline else self.redis)

    @cached_property
    def generators(self) -> Generators:
        """Generators besides those that ship."""
        redis = None if self._offline else self.redis
        return Generators(self.storage, redis, Allowance.of(self.settings))

    @cached_property
    def locator(self) -> Locate:
        """The configured face locator."""
        from perturbations.faces import locator  # noqa: PLC0415 - torch, see the top

        return locator(self.settings.yunet_model)


class Process(Installation):
    """What a worker's child needs in addition. send: hands tasks to the queues."""

    def __init__(self, settings: Settings, send: Send) -> None:
        super().__init__(settings)
        self.send = send
        self.activity = Activity()

    @contextmanager
    def connected(self) -> Iterator[tuple[Jobs, Recorder]]:
        """Records on a connection of their own, closed after use: for the parent, whose children must not share it."""
        with connect(self.settings) as redis:
            yield Jobs(redis, self.settings), Recorder(redis)

    @cached_property
    def recorder(self) -> Recorder:
        """Records the figures."""
        return Recorder(self.redis)

    @cached_property
    def sweeper(self) -> Sweeper:
        """Looks after accepted jobs."""
        admin = AdminSweeper(
            trainings=self.trainings,
            versions=self.versions,
            generators=self.generators,
            storage=self.storage,
            send=self.send,
            version_schedule=SharedSchedule(self.redis, "version", VERSION_SECONDS),
            slow_schedule=SharedSchedule(self.redis, "administration", SLOW_SECONDS),
        )
        overdue, schedule = OverdueJobs(self.redis, self.jobs), SharedSchedule(self.redis, "blobs", BLOBS_SECONDS)
        return Sweeper(self.jobs, overdue, self.blobs, self.send, schedule, admin)

    def duties(self, queues: list[str]) -> Duties:
        """The background duties of a child that serves ``queues``."""
        return Duties(
            queues=queues,
            redis=self.redis,
            leases=self.jobs.leases,
            trainings=self.trainings,
            activity=self.activity,
            sweeper=self.sweeper,
            reserve=Reserve(self.settings.data_dir),
        )

    @cached_property
    def surrogates(self) -> Surrogates:
        """Generators that ship."""
        from perturbations.precision import fastest_device  # noqa: PLC0415 - torch
        from worker.generators.surrogates import Surrogates  # noqa: PLC0415 - torch

        return Surrogates(fastest_device())

    @cached_property
    def library(self) -> Library:
        """Perturbations and generators, loaded when asked for."""
        from worker.library import Library  # noqa: PLC0415 - torch

        scratch = self.settings.data_dir / "scratch"
        scored_by = parse_generators(self.settings.scored_by)
        return Library(self.versions, self.generators, self.surrogates, scratch=scratch, scored_by=scored_by)

    @cached_property
    def stages(self) -> Stages:
        """The work on photos."""
        return Stages(
            jobs=self.jobs,
            blobs=self.blobs,
            send=self.send,
            current=self.activity.job,
            recorder=self.recorder,
            locator=self.locator,
            max_attempts=self.settings.max_attempts,
            max_pixels=self.settings.max_pixels,
            scored_faces=self.settings.scored_faces,
            prohibit_mining=self.settings.prohibit_data_mining,
            sign=None if (credentials := credentials_of(self.settings)) is None else credentials.signed,
        )

    @cached_property
    def trainer(self) -> Trainer:
        """The work on trainings."""
        from worker.training.trainer import Trainer  # noqa: PLC0415 - torch

        return Trainer(
            trainings=self.trainings,
            versions=self.versions,
            datasets=self.datasets,
            library=self.library,
            folder=self.settings.data_dir / "trainings",
            lease=self.activity.training,
            stopping=self.activity.stopping.is_set,
            locator=self.locator,
        )

    def prepare(self, queues: list[str]) -> None:
        """Load what tasks of ``queues`` need, publish the catalogue, and use everything once."""
        if queues == [QUEUE_TRAIN]:  # a trainer loads what it needs when a training comes
            return
        from worker.queue.warm_up import prepare  # noqa: PLC0415 - torch

        prepare(
            queues,
            redis=self.redis,
            versions=self.versions,
            generators=self.generators,
            registered=self.settings.targets_dir,
            library=self.library,
            locator=self.locator,
        )


def offline(settings: Settings) -> Installation:
    """The installation for commands run by hand: the storage, whether or not the service runs."""
    return Installation(settings, offline=True)


def check(settings: Settings) -> None:
    """Make sure at start that Redis, the storage and a certificate can be used as they are set.

    Redis and the storage need not answer yet.

    Raises:
        BadSettings: one of them cannot.
    """
    if settings.redis_url is not None:
        refuse_cluster(settings)
    if settings.storage_url is not None:
        storage_of(settings)
    credentials_of(settings)


def take_over(settings: Settings) -> int:
    """Free the unfinished work of an earlier start, when nobody works on this Redis. Returns how many photos."""
    with connect(settings) as redis:
        liveness.forget(redis, QUEUES)
        unfinished = JobLeases(redis).expire_all()
        Trainings(redis).take_over()
    return unfinished
