"""Real neighbours: a whole service for the session, and a bare Redis for what needs no worker."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from app.contracts.records.generator_store import Generators
from app.contracts.records.jobs import Job, Jobs, Options, new_job_id
from app.contracts.records.versions import Versions
from app.contracts.redis.metrics import Recorder
from app.contracts.report import Source
from app.contracts.settings import Settings
from app.contracts.storage import storage_of
from app.contracts.storage.blobs import Blobs
from perturbations.artifact import Perturbation
from perturbations.faces import locate
from tests.helpers.ports import free_port
from tests.service.helpers import building, running
from tests.service.helpers.disk import mounted
from tests.service.helpers.lives import DISK_BYTES, STALL_SECONDS, STRICT_SECONDS, Lives
from worker.library import Library
from worker.queue.activity import CurrentJob
from worker.queue.stages import Stages
from worker.serve import embedded_redis
from worker.shipped import ship

ADMIN_KEY = "a-key-that-nobody-guesses"
"""Of the service that tests share."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Running]:
    """One service for all tests that leave it as they found it. Administrators can use it; checks have short limits."""
    started = running.start(
        tmp_path_factory.mktemp("service") / "var",
        POISE_METRICS_PORT=str(free_port()),
        POISE_ADMIN_KEYS=ADMIN_KEY,
        POISE_TRAINING_PRIORITY="normal",
        POISE_CHECK_SECONDS="8",
        POISE_GENERATOR_SECONDS="20",
    )
    yield started
    started.stop()


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """One service for all tests that hurt it or leave things behind. It has little patience and a small disk."""
    with mounted(tmp_path_factory.mktemp("disk"), DISK_BYTES) as disk:
        folder = disk or tmp_path_factory.mktemp("lives")
        first = running.start(
            folder / "var",
            POISE_ADMIN_KEYS=ADMIN_KEY,
            POISE_STALL_SECONDS=str(STALL_SECONDS),
            POISE_PROTECT_SECONDS=str(STRICT_SECONDS),
        )
        all_of_them = Lives([first], disk)
        yield all_of_them
        if all_of_them.now.process.poll() is None:
            all_of_them.now.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the kind ``poise serve`` starts."""
    folder = tmp_path_factory.mktemp("redis")
    path = embedded_redis.socket_path(folder)
    process = subprocess.Popen(embedded_redis.command(folder, path))
    url = f"unix://{path}"
    with embedded_redis.client(url) as client:
        embedded_redis.wait_until_up(client, seconds=10)
    yield url
    process.terminate()
    process.wait(10)


@dataclass(slots=True)
class Bench:
    """Records, blobs and stages without Celery between them; what would be queued is listed in ``sent``."""

    settings: Settings
    redis: Redis
    jobs: Jobs
    blobs: Blobs
    stages: Stages
    versions: Versions
    library: Library
    sent: list[tuple[str, str]]

    def accept(self, image: bytes, **options: object) -> tuple[str, Job]:
        """A stored photo and its record."""
        job_id = new_job_id()
        self.blobs.write(job_id, "original", image)
        source = Source(format="png", width=512, height=512, bytes=len(image))
        return self.jobs.create(source, Options.model_validate(options), job_id=job_id)

    def job(self, job_id: str) -> Job:
        """The record, which must be there."""
        found = self.jobs.get(job_id)
        assert found is not None
        return found

    def perturbation(self, version: str | None = None) -> Perturbation:
        """A version as a worker takes it, the active one by default; what ships is active at first."""
        if self.versions.announced() is None:
            ship(self.versions)
        return self.library.perturbation(version)

    def kept(self, job_id: str) -> set[str]:
        """What lies in the blob store for a job."""
        return self.blobs.kinds(job_id)


@pytest.fixture
def bench(redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    """An empty Redis and an empty blob store."""
    settings = Settings(redis_url=redis_url, data_dir=tmp_path, max_open_jobs=50)
    with embedded_redis.client(redis_url) as redis:
        redis.flushall()
        storage = storage_of(settings)
        jobs, blobs, versions = Jobs(redis, settings), Blobs(storage), Versions(storage, redis)
        library = building.library(versions, Generators(storage, redis), scratch=tmp_path / "scratch")
        sent: list[tuple[str, str]] = []
        stages = Stages(
            jobs=jobs,
            blobs=blobs,
            send=lambda task, job_id: sent.append((task, job_id)),
            current=CurrentJob(),
            recorder=Recorder(redis),
            locator=locate,
            max_attempts=settings.max_attempts,
            max_pixels=settings.max_pixels,
            scored_faces=settings.scored_faces,
        )
        yield Bench(settings, redis, jobs, blobs, stages, versions, library, sent)
