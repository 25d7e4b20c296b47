"""What administrators asked for is called for again where its message was lost; what belongs to nothing goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contracts.names import CHECK_ARCHITECTURE, TRAIN
from app.contracts.records.datasets import Datasets
from app.contracts.records.trainings import Request
from app.contracts.records.versions import Versions
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage import Entry, FolderStorage, Storage, storage_of
from app.contracts.storage.blobs import Blobs
from perturbations import artifact
from tests.service.conftest import Bench
from tests.service.helpers import building
from worker.queue.admin_sweeper import VERSION_SECONDS, AdminSweeper
from worker.queue.overdue import OverdueJobs
from worker.queue.sweeper import Sweeper
from worker.shipped import ship


@pytest.fixture
def storage(bench: Bench) -> Storage:
    return storage_of(bench.settings)


@pytest.fixture
def sweeper(bench: Bench, storage: Storage) -> AdminSweeper:
    return building.admin_sweeper(bench.redis, storage, bench.stages.send)


def time_passes(bench: Bench) -> None:
    """Turns that were taken run out."""
    for key in bench.redis.scan_iter("poise:turn:*"):
        assert bench.redis.pttl(key) > 0, "a worker that dies must not keep its turn"
        bench.redis.delete(key)


class Listed(FolderStorage):
    """Counts how often it is listed."""

    listings = 0

    def entries(self, prefix: str) -> Iterator[Entry]:
        self.listings += 1
        return super().entries(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self.listings += 1
        return super().folders(prefix)


def test_of_two_workers_one_looks_at_the_storage_whichever_it_is(bench: Bench) -> None:
    interval = 600.0
    storages: list[Listed] = []

    def worker() -> Sweeper:
        """One with a storage of its own, on the same folder."""
        storages.append(Listed(bench.settings.storage_dir))
        admin = building.admin_sweeper(bench.redis, storages[-1], bench.stages.send)
        schedule = SharedSchedule(bench.redis, "blobs", interval)
        # however slow this machine is, no turn ends by itself
        admin.version_schedule.seconds = admin.slow_schedule.seconds = interval
        return Sweeper(
            bench.jobs, OverdueJobs(bench.redis, bench.jobs), Blobs(storages[-1]), bench.stages.send, schedule, admin
        )

    def looked(now: float, *workers: Sweeper) -> list[bool]:
        before = [storage.listings for storage in storages]
        for one in workers:
            one.sweep_if_due(now)
        return [storage.listings > count for storage, count in zip(storages, before, strict=True)]

    first, second = worker(), worker()
    assert looked(0.0, first, second) == [True, False]
    assert looked(interval / 2, first, second) == [False, False]
    time_passes(bench)
    assert looked(interval, second) == [False, True], "the first has died"
    assert looked(interval + 1, first, second) == [False, False]


def test_lost_calls_are_repeated(sweeper: AdminSweeper, bench: Bench) -> None:
    sweeper.sweep(0.0)
    assert bench.sent == []
    training = sweeper.trainings.create(Request())
    sweeper.sweep(1.0)
    sweeper.sweep(2.0)
    assert bench.sent == [(TRAIN, training.id)]


def test_lost_checks_are_repeated(sweeper: AdminSweeper, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    sweeper.generators.add(tmp_path / "file", name="one", sha256="0")
    assert sweeper.recheck(older_than=60) == 0
    assert sweeper.recheck(older_than=0) == 1
    assert bench.sent == [(CHECK_ARCHITECTURE, "one")]


def test_a_choice_made_without_redis_arrives(
    sweeper: AdminSweeper, bench: Bench, storage: Storage, tmp_path: Path
) -> None:
    ship(sweeper.versions)
    sweeper.sweep(0.0)
    artifact.save(tmp_path, artifact.active().delta / 2, epsilon=0.05, weighting="uniform", sidecar={})
    offline = Versions(storage, None)
    other = offline.add(tmp_path, origin="imported").version
    offline.activate(other, reason="on the command line")
    assert sweeper.versions.announced() != other
    time_passes(bench)
    sweeper.sweep(VERSION_SECONDS)
    assert sweeper.versions.announced() == other
    assert bench.versions.announced_names() == {other, artifact.active().version}


def test_files_without_a_record_go_and_others_stay(
    sweeper: AdminSweeper, bench: Bench, storage: Storage, tmp_path: Path
) -> None:
    ship(sweeper.versions)
    (tmp_path / "file").write_bytes(b"x")
    sweeper.generators.add(tmp_path / "file", name="one", sha256="0")
    Datasets(storage).add(tmp_path / "file", name="faces", sha256="0", faces=1, ignored=0)
    bench.accept(b"photo")
    kept = {entry.key for entry in storage.entries("")}
    orphans = {
        "datasets/other/0",
        "architectures/other/checkpoint",
        "perturbations/other-00000000/perturbation.safetensors",
    }
    for key in orphans:
        storage.put(key, b"x")
    assert sweeper.remove_orphans(older_than=60) == 0
    assert sweeper.remove_orphans(older_than=0) == len(orphans)
    assert {entry.key for entry in storage.entries("")} == kept
