"""Versions in the storage: immutable, one active, activation and roll-back whole or not at all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch

from app.contracts.records.generator_store import Generators
from app.contracts.records.versions import NoSuchVersion, NothingBefore, Origin, VersionInUse, Versions
from app.contracts.storage import storage_of
from perturbations import artifact
from perturbations.errors import BadArtifact
from tests.service.conftest import Bench
from tests.service.helpers import building
from worker.shipped import ship

EPSILON = 0.05


@pytest.fixture
def versions(bench: Bench) -> Versions:
    return Versions(storage_of(bench.settings), bench.redis)


def made(folder: Path, *, seed: int) -> Path:
    """An artifact of random signs."""
    generator = torch.Generator().manual_seed(seed)
    delta = (torch.randint(0, 2, artifact.SHAPE, generator=generator).float() * 2 - 1) * EPSILON
    artifact.save(folder / str(seed), delta, epsilon=EPSILON, weighting="uniform", sidecar={"targets": {"tiny": "0"}})
    return folder / str(seed)


def add(versions: Versions, folder: Path, *, seed: int) -> str:
    return versions.add(made(folder, seed=seed), origin="imported").version


def test_what_ships_is_active_at_first_and_stays_only_while_nothing_else_was_chosen(
    versions: Versions, tmp_path: Path
) -> None:
    ship(versions)
    shipped = artifact.active().version
    assert versions.active() == versions.announced() == shipped
    other = add(versions, tmp_path, seed=1)
    versions.activate(other, reason="test")
    ship(versions)
    assert versions.active() == other


def test_a_new_shipped_version_replaces_the_one_that_shipped_before(versions: Versions, tmp_path: Path) -> None:
    before = versions.add(made(tmp_path, seed=1), origin="shipped").version
    versions.activate(before, reason="shipped with Poise")
    ship(versions)
    assert versions.active() == artifact.active().version
    versions.activate(before, reason="somebody wants it back")
    ship(versions)
    assert versions.active() == before


@pytest.mark.parametrize(("origin", "told"), [("shipped", True), ("imported", False)])
def test_a_later_release_may_say_more_of_what_ships(
    versions: Versions, bench: Bench, tmp_path: Path, origin: Origin, told: bool
) -> None:
    folder = made(tmp_path, seed=1)
    name = versions.add(folder, origin=origin).version
    sidecar = folder / "perturbation.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "strengths": {}}))
    versions.add(folder, origin=origin)
    kept = json.loads((bench.settings.storage_dir / "perturbations" / name / "perturbation.json").read_text())
    assert ("strengths" in kept) is told


def test_roll_back_goes_through_history_and_then_refuses(versions: Versions, tmp_path: Path) -> None:
    a, b, c = (add(versions, tmp_path, seed=seed) for seed in (1, 2, 3))
    for name in (a, b, c):
        versions.activate(name, reason="test")
    assert versions.roll_back().version == b
    assert versions.roll_back().version == a
    with pytest.raises(NothingBefore):
        versions.roll_back()
    versions.activate(c, reason="test")
    assert versions.roll_back().version == a == versions.active() == versions.announced()
    assert [entry.version for entry in versions.log()] == [a, b, c, b, a, c, a]


def test_roll_back_skips_what_was_deleted(versions: Versions, tmp_path: Path) -> None:
    a, b, c = (add(versions, tmp_path, seed=seed) for seed in (1, 2, 3))
    for name in (a, b, c):
        versions.activate(name, reason="test")
    versions.delete(b)
    assert versions.roll_back().version == a


def test_roll_back_finds_another_version_past_the_active_one(versions: Versions, tmp_path: Path) -> None:
    a, b, c = (add(versions, tmp_path, seed=seed) for seed in (1, 2, 3))
    for name in (a, b, c, b):
        versions.activate(name, reason="test")
    versions.delete(c)
    assert versions.active() == b
    assert versions.roll_back().version == a == versions.active() == versions.announced()
    with pytest.raises(NothingBefore):
        versions.roll_back()


def test_roll_back_refuses_where_only_the_active_one_was_ever_active(versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(NothingBefore):
        versions.roll_back()
    a, b = (add(versions, tmp_path, seed=seed) for seed in (1, 2))
    for name in (a, b, a):
        versions.activate(name, reason="test")
    versions.delete(b)
    with pytest.raises(NothingBefore):
        versions.roll_back()
    assert versions.active() == a


def test_activating_the_active_version_changes_nothing(versions: Versions, tmp_path: Path) -> None:
    a = add(versions, tmp_path, seed=1)
    for _ in range(3):
        versions.activate(a, reason="test")
    assert len(versions.log()) == 1


def test_active_and_unknown_versions_cannot_be_deleted(versions: Versions, tmp_path: Path) -> None:
    ship(versions)
    a, b = (add(versions, tmp_path, seed=seed) for seed in (1, 2))
    versions.activate(a, reason="test")
    for name, error in ((a, VersionInUse), (artifact.active().version, VersionInUse), ("nothing", NoSuchVersion)):
        with pytest.raises(error):
            versions.delete(name)
    versions.delete(b)
    assert versions.get(b) is None
    with pytest.raises(NoSuchVersion):
        versions.activate(b, reason="test")


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", "A", "x" * 65, "a\n"])
def test_strange_names_are_unknown(versions: Versions, name: str) -> None:
    assert versions.get(name) is None


def test_the_choice_survives_the_loss_of_redis(versions: Versions, bench: Bench, tmp_path: Path) -> None:
    a, b = (add(versions, tmp_path, seed=seed) for seed in (1, 2))
    versions.activate(a, reason="test")
    bench.redis.flushall()
    assert versions.announced() == a
    versions.announce()
    # made without Redis, as on the command line; a worker's sweep announces it
    Versions(storage_of(bench.settings), None).activate(b, reason="test")
    assert versions.announced() == a
    versions.announce()
    assert versions.announced() == b
    assert bench.versions.announced_names() == {a, b}


def test_activations_at_the_same_time_leave_one_active(versions: Versions, tmp_path: Path) -> None:
    names = [add(versions, tmp_path, seed=seed) for seed in range(4)]
    threads = [threading.Thread(target=versions.activate, args=(name,), kwargs={"reason": "test"}) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(versions.log()) == len(names)
    assert versions.active() == versions.announced() == versions.log()[-1].version


def test_a_worker_follows_without_restart_and_knows_every_version(
    versions: Versions, bench: Bench, tmp_path: Path
) -> None:

    architectures = Generators(storage_of(bench.settings), bench.redis)
    library = building.library(versions, architectures, scratch=tmp_path / "scratch")
    a, b = (add(versions, tmp_path, seed=seed) for seed in (1, 2))
    versions.activate(a, reason="test")
    assert library.perturbation().version == a
    versions.activate(b, reason="test")
    assert library.perturbation().version == b
    assert library.perturbation(a).version == a
    with pytest.raises(NoSuchVersion):
        library.perturbation("nothing")


def test_a_damaged_version_is_noticed(versions: Versions, bench: Bench, tmp_path: Path) -> None:

    name = add(versions, tmp_path, seed=1)
    other = (made(tmp_path, seed=2) / artifact.TENSORS).read_bytes()
    storage_of(bench.settings).put(f"perturbations/{name}/{artifact.TENSORS}", other)
    library = building.library(
        versions, Generators(storage_of(bench.settings), bench.redis), scratch=tmp_path / "scratch"
    )
    with pytest.raises(BadArtifact):
        library.perturbation(name)


def test_photos_may_ask_for_any_version(bench: Bench, versions: Versions, tmp_path: Path, astronaut_png: bytes) -> None:

    library = building.library(
        versions, Generators(storage_of(bench.settings), bench.redis), scratch=tmp_path / "scratch"
    )
    a, b = (add(versions, tmp_path, seed=seed) for seed in (1, 2))
    versions.activate(a, reason="test")
    for wanted, got in ((None, a), (b, b), ("nothing-00000000", None)):
        _, job = bench.accept(astronaut_png, scores=False, perturbation=wanted)
        bench.stages.protect(job.job_id, library.perturbation)
        report = bench.job(job.job_id).progress
        assert (report.perturbation.version if report.perturbation else None) == got
        assert (report.error is None) == (got is not None)
