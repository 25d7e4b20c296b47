"""What administrators asked for is called for again where its message was lost; what belongs to nothing goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.contracts.architectures import Architectures
from app.contracts.datasets import Datasets
from app.contracts.names import CHECK_ARCHITECTURE, TRAIN
from app.contracts.storage import Storage, storage_of
from app.contracts.trainings import Request, Trainings
from app.contracts.versions import Versions
from perturbations import artifact
from tests.service.conftest import Bench
from worker.admin_sweeper import AdminSweeper
from worker.shipping import ship


@pytest.fixture
def storage(bench: Bench) -> Storage:
    return storage_of(bench.settings)


@pytest.fixture
def sweeper(bench: Bench, storage: Storage) -> AdminSweeper:
    versions, architectures = Versions(storage, bench.redis), Architectures(storage, bench.redis)
    return AdminSweeper(Trainings(bench.redis), versions, architectures, storage, bench.stages.send)


def test_lost_calls_are_repeated(sweeper: AdminSweeper, bench: Bench) -> None:
    sweeper.sweep(0.0)
    assert bench.sent == []
    training = sweeper.trainings.create(Request())
    sweeper.sweep(1.0)
    sweeper.sweep(2.0)
    assert bench.sent == [(TRAIN, training.id)]


def test_lost_checks_are_repeated(sweeper: AdminSweeper, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    sweeper.architectures.add(tmp_path / "file", name="one", sha256="0")
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
    sweeper.sweep(10.0)
    assert sweeper.versions.announced() == other
    assert bench.jobs.versions() == {other, artifact.active().version}


def test_files_without_a_record_go_and_others_stay(
    sweeper: AdminSweeper, bench: Bench, storage: Storage, tmp_path: Path
) -> None:
    ship(sweeper.versions)
    (tmp_path / "file").write_bytes(b"x")
    sweeper.architectures.add(tmp_path / "file", name="one", sha256="0")
    Datasets(storage).add(tmp_path / "file", name="faces", sha256="0", faces=1, ignored=0)
    bench.accept(b"photo")
    kept = {entry.key for entry in storage.entries("")}
    orphans = {
        "datasets/other.zip",
        "architectures/other/checkpoint",
        "perturbations/other-00000000/perturbation.safetensors",
    }
    for key in orphans:
        storage.put(key, b"x")
    assert sweeper.remove_orphans(older_than=60) == 0
    assert sweeper.remove_orphans(older_than=0) == len(orphans)
    assert {entry.key for entry in storage.entries("")} == kept
