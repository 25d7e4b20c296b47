"""A storage that fails while a photo is worked on costs time and no photo, and what has ended is tidied up after."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from app.contracts.names import PROTECT, SCORE
from app.contracts.records.jobs import Job
from app.contracts.redis.leases import HELD_SECONDS, WAITING_SECONDS
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage import storage_of
from app.contracts.storage.blobs import Blobs, Kind
from perturbations.artifact import Perturbation
from tests.service.conftest import Bench
from worker.queue.overdue import OverdueJobs
from worker.queue.stages import STORAGE_AWAY_LIMIT, Stages
from worker.queue.sweeper import BLOBS_SECONDS, Sweeper


class Failing(Blobs):
    """Blobs on a storage that fails for the given operations."""

    away: tuple[str, ...] = ()

    def read(self, job_id: str, kind: Kind) -> bytes:
        self._answer("read")
        return super().read(job_id, kind)

    def write(self, job_id: str, kind: Kind, data: bytes) -> None:
        self._answer("write")
        super().write(job_id, kind, data)

    def erase(self, job_id: str, kind: Kind | None = None) -> None:
        self._answer("erase")
        super().erase(job_id, kind)

    def _answer(self, operation: str) -> None:
        if operation in self.away:
            raise OSError("the storage does not answer")


@pytest.fixture
def blobs(bench: Bench) -> Failing:
    return Failing(storage_of(bench.settings))


@pytest.fixture
def stages(bench: Bench, blobs: Failing) -> Stages:
    return dataclasses.replace(bench.stages, blobs=blobs)


def sweeper_of(bench: Bench, blobs: Blobs) -> Sweeper:
    return Sweeper(
        bench.jobs,
        OverdueJobs(bench.redis, bench.jobs),
        blobs,
        bench.stages.send,
        SharedSchedule(bench.redis, "blobs", BLOBS_SECONDS),
    )


def lease(bench: Bench, job_id: str) -> float:
    """Seconds until it ends."""
    score = bench.redis.zscore("poise:open", job_id)
    assert score is not None
    return float(score) - time.time()


def lease_ends(bench: Bench, job_id: str) -> None:
    bench.redis.zincrby("poise:open", -lease(bench, job_id) - 1, job_id)


def has_failed(seconds: float) -> Callable[[Job], None]:
    """The change that has the storage fail for so long."""

    def change(job: Job) -> None:
        assert job.failing_since is not None
        job.failing_since = datetime.fromtimestamp(time.time() - seconds, UTC)

    return change


@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_storage_that_is_away_for_a_while_fails_no_photo(
    bench: Bench, blobs: Failing, stages: Stages, astronaut_png: bytes, operation: str
) -> None:
    sweeper = sweeper_of(bench, blobs)
    _, job = bench.accept(astronaut_png, scores=False)
    blobs.away = (operation,)
    for _ in range(bench.settings.max_attempts + 1):
        stages.protect(job.job_id, bench.perturbation)
        assert bench.sent == [], "it would fail again at once"
        assert bench.job(job.job_id).attempts["protect"] == 0
        assert 0 < lease(bench, job.job_id) <= HELD_SECONDS, "the sweeper comes soon"
        lease_ends(bench, job.job_id)
        assert sweeper.resend() == 1
        assert bench.sent.pop() == (PROTECT, job.job_id)
    blobs.away = ()
    stages.protect(job.job_id, bench.perturbation)
    ended = bench.job(job.job_id)
    assert (ended.progress.status, ended.failing_since) == ("protected", None)
    assert bench.kept(job.job_id) == {"protected"}


def test_a_storage_that_stays_away_ends_the_job_with_the_true_reason(
    bench: Bench, blobs: Failing, stages: Stages, astronaut_png: bytes
) -> None:
    _, job = bench.accept(astronaut_png)
    blobs.away = ("write",)
    stages.protect(job.job_id, bench.perturbation)
    bench.jobs.update(job.job_id, has_failed(STORAGE_AWAY_LIMIT.total_seconds() + 1))
    stages.protect(job.job_id, bench.perturbation)
    error = bench.job(job.job_id).progress.error
    assert error is not None
    assert error.status == 503
    assert "later" in error.detail
    assert bench.sent == []
    assert bench.kept(job.job_id) == set()
    assert bench.jobs.leases.count() == 0


def test_scores_wait_for_the_storage_as_well(
    bench: Bench, blobs: Failing, stages: Stages, astronaut_png: bytes
) -> None:
    _, job = bench.accept(astronaut_png)
    targets = [partial(bench.library.targets, twins=twins) for twins in (False, True)]
    stages.protect(job.job_id, bench.perturbation)
    assert bench.sent.pop() == (SCORE, job.job_id)
    blobs.away = ("read",)
    stages.score(job.job_id, *targets)
    assert bench.job(job.job_id).progress.scores_status == "pending"
    bench.jobs.update(job.job_id, has_failed(STORAGE_AWAY_LIMIT.total_seconds() + 1))
    stages.score(job.job_id, *targets)
    progress = bench.job(job.job_id).progress
    assert (progress.status, progress.scores_status) == ("protected", "failed")
    assert bench.kept(job.job_id) == {"protected"}


class Killed(BaseException):
    """As abrupt as a test can be."""


def kill(self: Stages, job: Job) -> None:
    del self, job
    raise Killed


@pytest.mark.parametrize("by", ["message", "sweeper"])
def test_an_original_goes_though_whoever_was_to_erase_it_was_killed(
    bench: Bench, stages: Stages, monkeypatch: pytest.MonkeyPatch, astronaut_png: bytes, by: str
) -> None:
    _, job = bench.accept(astronaut_png, scores=False)
    with monkeypatch.context() as killing:
        killing.setattr(Stages, "_ended", kill)
        with pytest.raises(Killed):
            stages.protect(job.job_id, bench.perturbation)
    assert bench.kept(job.job_id) == {"original", "protected"}
    if by == "message":
        stages.protect(job.job_id, bench.perturbation)
    else:
        lease_ends(bench, job.job_id)
        sweeper_of(bench, stages.blobs).resend()
    assert bench.kept(job.job_id) == {"protected"}
    assert bench.sent == []
    assert bench.jobs.leases.count() == 0


def test_an_original_that_could_not_be_erased_is_erased_later(
    bench: Bench, blobs: Failing, stages: Stages, astronaut_png: bytes
) -> None:
    sweeper = sweeper_of(bench, blobs)
    _, job = bench.accept(astronaut_png, scores=False)
    _, other = bench.accept(astronaut_png)
    blobs.away = ("erase",)
    stages.protect(job.job_id, bench.perturbation)
    assert bench.job(job.job_id).progress.status == "protected"
    for job_id in (job.job_id, other.job_id):
        lease_ends(bench, job_id)
    sweeper.resend()
    assert bench.sent == [(PROTECT, other.job_id)], "others are looked after all the same"
    blobs.away = ()
    lease_ends(bench, job.job_id)
    sweeper.resend()
    assert bench.kept(job.job_id) == {"protected"}
    assert bench.jobs.leases.count() == 1


def test_work_that_comes_late_leaves_nothing_of_a_failed_job(
    bench: Bench, stages: Stages, astronaut_png: bytes
) -> None:
    _, job = bench.accept(astronaut_png)

    def given_up_meanwhile(version: str | None) -> Perturbation:
        def change(job: Job) -> None:
            job.progress.status = "failed"

        bench.jobs.update(job.job_id, change)
        return bench.perturbation(version)

    stages.protect(job.job_id, given_up_meanwhile)
    assert bench.kept(job.job_id) == set()


def test_the_lease_of_a_job_handed_on_is_not_cut(bench: Bench, stages: Stages, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)

    def beat(task: str, job_id: str) -> None:
        assert (task, job_id) == (SCORE, job.job_id)
        stages.current.renew(bench.jobs.leases)

    dataclasses.replace(stages, send=beat).protect(job.job_id, bench.perturbation)
    assert lease(bench, job.job_id) > WAITING_SECONDS - 10
