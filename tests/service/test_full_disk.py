"""A full disk: Redis and the storage take nothing more, and what has expired or is to be erased goes all the same."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis, ResponseError

from app.contracts.problems import Unavailable
from app.contracts.records.jobs import Jobs, Options, new_job_id
from app.contracts.records.versions import Versions
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.report import Source
from app.contracts.settings import Settings
from app.contracts.storage import storage_of
from app.contracts.storage.blobs import Blobs
from app.contracts.storage.folder import FLOOR_BYTES, RESERVE_BYTES
from app.service import Service
from app.tasks import CeleryQueue
from tests.helpers.waiting import until
from tests.service.helpers.disk import fill, mounted
from worker.queue.overdue import OverdueJobs
from worker.queue.reserve_file import NAME, Reserve
from worker.queue.sweeper import BLOBS_SECONDS, ORPHAN_SECONDS, Sweeper
from worker.serve import embedded_redis

DISK_BYTES = 24_000_000
PHOTO = bytes(10_000)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """An installation whose data and Redis share a small disk."""
    with mounted(tmp_path / "disk", DISK_BYTES) as disk:
        if disk is None:
            pytest.skip("no file system can be mounted here")
        socket = embedded_redis.socket_path(tmp_path)
        (disk / "redis").mkdir()
        process = subprocess.Popen(embedded_redis.command(disk / "redis", socket))
        try:
            with embedded_redis.client(f"unix://{socket}") as client:
                embedded_redis.wait_until_up(client, seconds=10)
            yield Settings(redis_url=f"unix://{socket}", data_dir=disk)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with embedded_redis.client(settings.require_redis_url()) as client:
        yield client


class House:
    """A few jobs in every state, and those who look after them."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.settings, self.redis = settings, redis
        self.jobs, self.blobs = Jobs(redis, settings), Blobs(storage_of(settings))
        schedule = SharedSchedule(redis, "blobs", BLOBS_SECONDS)
        self.sweeper = Sweeper(self.jobs, OverdueJobs(redis, self.jobs), self.blobs, lambda *_: None, schedule)
        self.reserve = Reserve(settings.data_dir)

    def accept(self, *kinds: str) -> tuple[str, str]:
        """A job with what is stored of it, all written some time ago: the result id, and the job's."""
        job_id = new_job_id()
        for kind in kinds:
            self.blobs.write(job_id, kind, PHOTO)  # type: ignore[arg-type]
            path = self.settings.storage_dir / "photos" / job_id / kind
            os.utime(path, (time.time() - 2 * ORPHAN_SECONDS,) * 2)
        source = Source(format="png", width=8, height=8, bytes=len(PHOTO))
        result_id, _ = self.jobs.create(source, Options(scores=False), job_id=job_id)
        return result_id, job_id

    def expired(self) -> str:
        """A job that has expired, and whose photos are not erased yet."""
        _, job_id = self.accept("protected")
        self.redis.pexpire(f"poise:job:{job_id}", 1)
        return job_id

    def ended(self) -> str:
        """A job that has ended, but whose process was killed before it erased the original."""
        _, job_id = self.accept("original", "protected")

        def end(job: object) -> None:
            job.progress.status = "protected"  # type: ignore[attr-defined]

        self.jobs.update(job_id, end)
        self.redis.zadd("poise:open", {job_id: 1.0})
        return job_id


@pytest.fixture
def house(settings: Settings, redis: Redis) -> House:
    return House(settings, redis)


def refuses(redis: Redis) -> bool:
    try:
        redis.set("probe", "x" * 1000)
    except ResponseError as error:
        return str(error).startswith("MISCONF")
    return False


def full(house: House) -> Path:
    """Fill the disk until Redis takes no more writes."""
    filler = house.settings.data_dir / "filler"
    fill(filler)
    until(lambda: refuses(house.redis), seconds=30.0)
    return filler


def test_what_has_expired_goes_though_redis_takes_no_writes(house: House) -> None:
    expired, ended = [house.expired() for _ in range(3)], house.ended()
    _, kept = house.accept("original")
    filler = full(house)
    house.sweeper.sweep_if_due(0.0)
    assert set(house.blobs.jobs()) == {ended, kept}, f"{len(expired)} have expired"
    assert house.blobs.kinds(ended) == {"protected"}
    assert house.blobs.kinds(kept) == {"original"}
    late = house.settings.storage_dir / "photos" / new_job_id() / "protected"
    filler.unlink()
    late.parent.mkdir()
    late.write_bytes(PHOTO)
    os.utime(late, (1.0, 1.0))
    fill(filler)
    house.sweeper.sweep_if_due(BLOBS_SECONDS + 1)
    assert not late.exists(), "again and again"


def test_an_erasure_takes_the_photo_at_once_and_the_record_as_soon_as_there_is_room(house: House) -> None:
    queue = CeleryQueue(house.settings)
    versions = Versions(storage_of(house.settings), house.redis)
    service = Service(house.settings, house.redis, house.jobs, house.blobs, versions, queue)
    result_id, job_id = house.accept("protected")
    house.reserve.maintain()
    full(house)
    with pytest.raises(Unavailable, match="are erased"):
        service.erase(result_id)
    assert house.blobs.kinds(job_id) == set()
    house.reserve.maintain()
    until(lambda: not refuses(house.redis), seconds=30.0)
    service.erase(result_id)
    assert house.jobs.get(job_id) is None
    queue.close()


def test_the_reserve_is_not_for_photos_and_comes_back(house: House) -> None:
    reserve = house.settings.data_dir / NAME
    house.reserve.maintain()
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES, "it takes the room it promises"
    house.blobs.check()
    filler = full(house)
    house.reserve.maintain()
    assert not reserve.exists()
    for _ in range(2):
        with pytest.raises(OSError, match="space"):
            house.blobs.write(new_job_id(), "original", PHOTO)
        with pytest.raises(OSError, match="space"):
            house.blobs.check()
        house.reserve.maintain()
        assert not reserve.exists(), "it would be given up again at once"
    filler.unlink()
    house.reserve.maintain()
    assert reserve.exists()
    house.blobs.write(new_job_id(), "original", PHOTO)


def test_a_photo_does_not_take_the_last_room(house: House) -> None:
    free = os.statvfs(house.settings.data_dir)
    room = free.f_bavail * free.f_frsize
    with pytest.raises(OSError, match="space"):
        house.blobs.write(new_job_id(), "original", bytes(room - FLOOR_BYTES + 4096))
    house.blobs.write(new_job_id(), "original", bytes(room - FLOOR_BYTES - (1 << 20)))
