"""Trainings with everything real but the time they take: they resume, compare, promote, and end in good order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from app.contracts.records.datasets import Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import FILES_FAILING_LIMIT, MOST_CRASHES, Request, Training, Trainings, end
from app.contracts.records.versions import Versions
from app.contracts.storage import storage_of
from perturbations import artifact, plugins
from perturbations.checkpoints.loading import sha256
from perturbations.data import open_faces
from perturbations.data.split import split
from perturbations.faces import Found, locate
from perturbations.images import RgbArray
from perturbations.training import TrainingConfig
from tests.service.conftest import Bench
from tests.service.helpers import admin_uploads, building
from worker.library import Library
from worker.queue.activity import TrainingLease
from worker.training.trainer import Trainer

STEPS = 4
FACES = 12
READ = FACES - FACES // 4
"""Faces that are trained and measured on; the others are held out."""


def brief(wanted: Request) -> TrainingConfig:
    """A preset for people in a hurry."""
    return TrainingConfig(
        weighting=wanted.weighting,
        epsilon=wanted.epsilon,
        seed=wanted.seed,
        steps=STEPS,
        images=8,
        batch_size=4,
        step_size=0.02,
    )


_found: dict[bytes, Found] = {}


def located(image: RgbArray, *, reduction: float = 1.0) -> Found:
    """The real detector, asked once about each picture: all of these tests train on the same ones."""
    key = hashlib.sha256(image.tobytes() + repr((image.shape, reduction)).encode()).digest()
    if key not in _found:
        _found[key] = locate(image, reduction=reduction)
    return _found[key]


@dataclass(slots=True)
class Shop:
    """A trainer on real records and a real storage, with a tiny generator and one small dataset.

    at: what is to happen when the trainer looks around for the nth time. It does so before each training, with every
    face it reads, after every step, and twice before it keeps the result.
    """

    bench: Bench
    trainings: Trainings
    versions: Versions
    library: Library
    digest: str
    at: dict[int, Callable[[], object]] = field(default_factory=dict)
    looks: int = 0
    lease: TrainingLease = field(default_factory=TrainingLease)

    def trainer(self) -> Trainer:
        """A fresh one, as after a restart."""
        self.looks = 0
        return Trainer(
            trainings=self.trainings,
            versions=self.versions,
            datasets=Datasets(storage_of(self.bench.settings)),
            library=self.library,
            folder=self.bench.settings.data_dir / "trainings",
            lease=self.lease,
            stopping=self._look,
            configure=brief,
            locator=located,
        )

    def ask(self, **wanted: object) -> str:
        """Put a training in line; its id."""
        asked = {"targets": (admin_uploads.TINY,), "dataset": "faces", **wanted}
        return self.trainings.create(Request.model_validate(asked)).id

    def record(self, training_id: str) -> Training:
        found = self.trainings.get(training_id)
        assert found is not None
        return found

    def activate(self, folder: Path, delta: torch.Tensor, **sidecar: object) -> str:
        """Make a perturbation the active one; it knows the tiny generator and what can be attained against it."""
        known = {
            "targets": {admin_uploads.TINY: self.digest},
            "attainable": {admin_uploads.TINY: 0.5},
            "breaks_at": {},
            **sidecar,
        }
        artifact.save(folder, delta, epsilon=0.05, weighting="uniform", sidecar=known)
        version = self.versions.add(folder, origin="imported").version
        self.versions.activate(version, reason="test")
        return version

    def left(self) -> list[Path]:
        """Files of trainings."""
        folder = self.bench.settings.data_dir / "trainings"
        return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []

    def expire_lease(self) -> None:
        """What happens when a trainer is killed: nobody renews."""
        assert self.bench.redis.delete("poise:trainings:lease") == 1

    def _look(self) -> bool:
        self.looks += 1
        return bool(self.at.get(self.looks, bool)())


@pytest.fixture
def shop(bench: Bench, tmp_path: Path, astronaut_png: bytes) -> Shop:
    storage = storage_of(bench.settings)
    versions, architectures = Versions(storage, bench.redis), Generators(storage, bench.redis)
    library = building.library(versions, architectures, scratch=tmp_path / "scratch")
    (tmp_path / "tiny").write_bytes(admin_uploads.tiny_checkpoint(tmp_path))
    digest = sha256(tmp_path / "tiny")
    architectures.add(tmp_path / "tiny", name=admin_uploads.TINY, sha256=digest)
    library.check(admin_uploads.TINY)
    (tmp_path / "faces.zip").write_bytes(admin_uploads.zipped(admin_uploads.face_files(astronaut_png, FACES)))
    Datasets(storage).add(tmp_path / "faces.zip", name="faces", sha256="0" * 64, faces=FACES, ignored=0)
    return Shop(bench, Trainings(bench.redis), versions, library, digest)


def step(number: int, *, attempt: int = 1) -> int:
    """The look after a step of the first training; attempts before this one ended at their first step."""
    return (attempt - 1) * (1 + READ + 1) + 1 + READ + number


def nothing() -> torch.Tensor:
    return torch.zeros(artifact.SHAPE)


def test_a_better_version_is_activated(shop: Shop, tmp_path: Path) -> None:
    weak = shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    assert shop.trainer().work() == 1
    record = shop.record(training_id)
    assert record.status == "succeeded", record.error
    assert shop.versions.active() == record.perturbation != weak
    assert record.perturbation is not None
    version = shop.versions.get(record.perturbation)
    assert version is not None
    assert (version.origin, version.training) == ("trained", training_id)
    assert version.in_other_crops is not None
    assert version.in_other_crops["architectures"].keys() == {admin_uploads.TINY}
    assert version.after_jpeg is not None
    assert version.after_jpeg["architectures"].keys() == {admin_uploads.TINY}
    curve = shop.trainings.curve(training_id)
    assert [point.step for point in curve] == list(range(1, STEPS + 1))
    assert curve[-1].weights == {admin_uploads.TINY: 1.0}
    assert version.attainable == {admin_uploads.TINY: 0.5}, (
        "known for this very checkpoint and bound, so not measured again"
    )
    assert record.done == {"together": STEPS}
    assert record.comparison is not None
    row = record.comparison["architectures"][admin_uploads.TINY]
    assert row["candidate"]["l2_mask"] > row["active"]["l2_mask"] == 0.0
    assert shop.library.perturbation().version == record.perturbation
    assert shop.left() == []


def test_a_better_version_waits_for_approval_if_that_was_asked_for(shop: Shop, tmp_path: Path) -> None:
    weak = shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask(activate=False)
    assert shop.trainer().work() == 1
    record = shop.record(training_id)
    assert (record.status, record.error) == ("succeeded", None)
    assert record.comparison is not None
    assert shop.versions.active() == weak
    assert record.perturbation is not None
    assert shop.versions.get(record.perturbation) is not None


def test_a_worse_version_is_kept_but_not_activated(shop: Shop, tmp_path: Path) -> None:
    shop.activate(tmp_path / "weak", nothing())
    shop.ask(warm_start=None)
    shop.trainer().work()
    better = shop.versions.active()
    # a quarter of the bound cannot do what all of it did
    artifact.save(
        tmp_path / "known",
        nothing(),
        epsilon=0.0125,
        weighting="uniform",
        sidecar={"targets": {admin_uploads.TINY: shop.digest}, "attainable": {admin_uploads.TINY: 0.5}},
    )
    shop.versions.add(tmp_path / "known", origin="imported")
    training_id = shop.ask(epsilon=0.0125)
    shop.trainer().work()
    record = shop.record(training_id)
    assert record.status == "rejected"
    assert record.error is not None
    assert admin_uploads.TINY in record.error.detail
    assert shop.versions.active() == better
    assert record.perturbation is not None
    assert shop.versions.get(record.perturbation) is not None


def test_versions_that_share_nothing_are_not_compared(shop: Shop, tmp_path: Path) -> None:
    active = shop.activate(tmp_path / "other", nothing(), targets={"another": None})
    shop.activate(tmp_path / "known", nothing() + 0.001)
    shop.versions.activate(active, reason="test")
    training_id = shop.ask()
    shop.trainer().work()
    record = shop.record(training_id)
    assert record.status == "rejected"
    assert record.error is not None
    assert "shares no target" in record.error.detail
    assert shop.versions.active() == active


def test_a_killed_training_goes_on_and_comes_to_the_same_end(shop: Shop, tmp_path: Path) -> None:
    def die() -> None:
        raise SystemExit  # as abrupt as a test can be

    shop.activate(tmp_path / "weak", nothing())
    whole = shop.ask()
    shop.trainer().work()
    # in the middle, and once more when everything is trained and about to be kept
    for look in (step(2), step(STEPS + 2)):
        killed = shop.ask()
        shop.at = {look: die}
        with pytest.raises(SystemExit):
            shop.trainer().work()
        assert shop.record(killed).status == "running"
        shop.at = {}
        assert shop.trainer().work() == 0, "its lease has not run out"
        shop.expire_lease()
        assert shop.trainer().work() == 1
        assert shop.record(killed).perturbation == shop.record(whole).perturbation
        assert shop.record(killed).status == "succeeded"
        assert shop.record(killed).crashes == 1
    assert shop.left() == []


def test_a_training_that_always_crashes_is_given_up(shop: Shop, tmp_path: Path) -> None:
    def crash() -> None:
        raise MemoryError

    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    after = shop.ask(seed=1)
    shop.at = {step(1, attempt=attempt): crash for attempt in range(1, MOST_CRASHES + 1)}
    shop.trainer().work()
    record = shop.record(training_id)
    assert (record.status, record.crashes) == ("failed", MOST_CRASHES)
    assert record.error is not None
    assert record.error.status == 500
    assert shop.record(after).ended, "nobody else waits for ever"


def test_cancelling_takes_effect_at_the_next_step(shop: Shop, tmp_path: Path) -> None:
    weak = shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    shop.at = {step(3): lambda: shop.trainings.cancel(training_id) is None}
    shop.trainer().work()
    record = shop.record(training_id)
    assert record.status == "cancelled"
    assert 0 < record.step < STEPS
    assert [version.version for version in shop.versions.all()] == [weak]
    assert shop.left() == []


def test_a_trainer_that_is_to_stop_leaves_the_training_to_the_next(shop: Shop, tmp_path: Path) -> None:
    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    shop.at = dict.fromkeys(range(step(3), step(100)), lambda: True)
    shop.trainer().work()
    record = shop.record(training_id)
    assert (record.status, record.crashes) == ("queued", 0)
    shop.at = {}
    assert shop.trainer().work() == 1, "the lease was given back"
    assert shop.record(training_id).status == "succeeded"


def test_a_training_taken_over_by_another_is_left_alone(shop: Shop, tmp_path: Path) -> None:
    def taken() -> None:
        shop.expire_lease()
        assert shop.trainings.claim("another") is not None
        shop.lease.renew(shop.trainings)

    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    shop.at = {step(3): taken}
    shop.trainer().work()
    assert shop.record(training_id).status == "running"
    assert shop.trainings.renew("another"), "its lease was not taken away"


def test_a_training_that_has_ended_elsewhere_stays_as_it_is(shop: Shop, tmp_path: Path) -> None:
    """Its trainer stood still so long that another one took over, finished it, and gave the lease back."""

    def finished_meanwhile() -> None:
        shop.expire_lease()
        assert shop.trainings.claim("another") is not None
        shop.trainings.update(training_id, lambda record: end(record, "cancelled"))
        shop.trainings.release("another")
        shop.lease.renew(shop.trainings)

    weak = shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    shop.at = {step(3): finished_meanwhile}
    shop.trainer().work()
    assert shop.record(training_id).status == "cancelled"
    assert shop.versions.active() == weak


def test_an_end_is_recorded_once(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finished_meanwhile(versions: Versions, folder: Path, **options: Any) -> object:
        shop.trainings.update(training_id, lambda record: end(record, "cancelled"))
        return add(versions, folder, **options)

    shop.activate(tmp_path / "weak", nothing())
    add = Versions.add
    monkeypatch.setattr(Versions, "add", finished_meanwhile)
    training_id = shop.ask()
    shop.trainer().work()
    assert shop.record(training_id).status == "cancelled"
    assert shop.left() == []


@pytest.mark.parametrize(("part", "method"), [(Datasets, "fetch"), (Versions, "add")])
def test_a_storage_that_is_away_puts_a_training_off(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: type, method: str
) -> None:
    def away(*args: object, **options: object) -> None:
        del args, options
        raise OSError("the storage does not answer")

    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    with monkeypatch.context() as failing:
        failing.setattr(part, method, away)
        for _ in range(MOST_CRASHES + 1):
            assert shop.trainer().work() == 1, "it is left to the next call"
            record = shop.record(training_id)
            assert (record.status, record.crashes) == ("queued", 0)
            assert shop.trainings.call_is_due() == training_id
    shop.trainer().work()
    assert shop.record(training_id).status == "succeeded"
    assert shop.left() == []


def test_a_storage_that_stays_away_ends_a_training_with_the_true_reason(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **options: object) -> None:
        del args, options
        raise OSError("the storage does not answer")

    def has_failed_for_long(record: Training) -> None:
        assert record.failing_since is not None
        record.failing_since -= FILES_FAILING_LIMIT

    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask()
    monkeypatch.setattr(Versions, "add", away)
    shop.trainer().work()
    shop.trainings.update(training_id, has_failed_for_long)
    shop.trainer().work()
    record = shop.record(training_id)
    assert record.status == "failed"
    assert record.error is not None
    assert "storage" in record.error.detail
    assert shop.left() == []


@pytest.mark.parametrize(
    "wanted", [{"targets": ("nobody",)}, {"dataset": "nothing"}, {"warm_start": "nothing"}, {"epsilon": 0.004}]
)
def test_what_has_gone_meanwhile_is_explained(shop: Shop, tmp_path: Path, wanted: dict[str, object]) -> None:
    """The last one works: a smaller bound is nothing strange."""
    shop.activate(tmp_path / "weak", nothing())
    training_id = shop.ask(**wanted)
    shop.at = {step(8): lambda: True}
    shop.trainer().work()
    record = shop.record(training_id)
    if "epsilon" in wanted:
        assert record.status in ("queued", "succeeded", "rejected")
    else:
        assert record.status == "failed"
        assert record.error is not None
        assert record.error.status == 422


def test_a_weighting_that_cannot_be_imported_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = EntryPoint(name="lost", value="no_such_module:Lost", group="poise.weightings")
    monkeypatch.setattr(plugins, "_entries", lambda group: (lost,) if group == lost.group else ())
    training_id = shop.ask(weighting="lost")
    shop.trainer().work()
    record = shop.record(training_id)
    assert (record.status, record.crashes) == ("failed", 0)
    assert record.error is not None
    assert "'lost' of an unknown package cannot be imported" in record.error.detail


def test_a_warm_start_begins_where_the_other_version_ended(shop: Shop, tmp_path: Path) -> None:
    shop.activate(tmp_path / "weak", nothing())
    cold = shop.ask()
    shop.trainer().work()
    trained = shop.record(cold).perturbation
    warm = shop.ask(warm_start=trained)
    shop.trainer().work()
    record = shop.record(warm)
    assert record.perturbation not in (None, trained)
    assert record.effect[admin_uploads.TINY] is not None
    version = shop.versions.get(str(record.perturbation))
    assert version is not None
    assert version.warm_start == trained
    before, after = (shop.library.perturbation(name).delta for name in (trained, record.perturbation))
    assert float((after - before).abs().max()) <= STEPS * 0.02 + 1e-6


def test_faces_held_out_depend_on_names_alone(tmp_path: Path, astronaut_png: bytes) -> None:
    (tmp_path / "faces.zip").write_bytes(admin_uploads.zipped(admin_uploads.face_files(astronaut_png, FACES)))
    archive = open_faces([tmp_path / "faces.zip"])
    rest, held_out = split(archive, most=64)
    names = [{part.name(i) for i in range(len(part))} for part in (rest, held_out)]
    assert names[0].isdisjoint(names[1])
    assert len(names[0]) + len(names[1]) == FACES
    assert len(names[1]) == FACES // 4
    again = split(archive.only(list(reversed(range(FACES)))), most=64)[1]
    assert {again.name(i) for i in range(len(again))} == names[1]
