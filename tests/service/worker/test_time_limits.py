"""A job that is killed at its time limit is over at once, and says so; one whose worker crashes is tried again."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

import pytest
import skimage
from PIL import Image

from app.contracts.names import SCORE, Stage
from app.contracts.settings import Settings
from perturbations.score import MAX_FACES
from tests.helpers.waiting import until
from tests.service.conftest import Bench
from tests.service.helpers.killing import pid_of
from tests.service.helpers.lives import STRICT_SECONDS, Lives
from tests.service.helpers.running import Running
from worker.process import Process
from worker.queue.overdue import OverdueJobs
from worker.queue.sweeper import Sweeper
from worker.queue.time_limits import TimeLimits

PATIENCE = 240.0


def end_overtime(bench: Bench, job_id: str, stage: Stage, seconds: float) -> None:
    """What the parent process does."""
    TimeLimits(Process(bench.settings, bench.stages.send).connected).exceeded(job_id, stage, seconds)


def test_a_photo_that_takes_too_long_fails_with_the_reason(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    end_overtime(bench, job.job_id, "protect", 60)
    ended = bench.job(job.job_id)
    assert (ended.progress.status, ended.stage) == ("failed", None)
    assert ended.progress.error is not None
    assert ended.progress.error.type == "/problems/took-too-long"
    assert "longer than 60 seconds" in ended.progress.error.detail
    bench.stages.protect(job.job_id, bench.perturbation)
    assert bench.sent == [], "it is not tried again"
    assert bench.kept(job.job_id) == set()


def test_what_the_killed_process_leaves_is_swept_away(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    end_overtime(bench, job.job_id, "protect", 60)
    bench.blobs.write(job.job_id, "protected", b"late")
    bench.redis.zadd("poise:open", {job.job_id: 1.0})
    Sweeper(bench.jobs, OverdueJobs(bench.redis, bench.jobs), bench.blobs, bench.stages.send, None).resend()  # type: ignore[arg-type]
    assert (bench.kept(job.job_id), bench.jobs.leases.count()) == (set(), 0)


def test_scores_that_take_too_long_say_why_and_the_photo_stays_protected(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    bench.stages.protect(job.job_id, bench.perturbation)
    assert bench.sent.pop() == (SCORE, job.job_id)
    end_overtime(bench, job.job_id, "score", 240)
    progress = bench.job(job.job_id).progress
    assert (progress.status, progress.scores_status) == ("protected", "failed")
    assert progress.scores_error is not None
    assert "longer than 240 seconds" in progress.scores_error.detail


@pytest.mark.parametrize("stage", ["protect", "score"])
def test_a_job_that_is_gone_or_past_it_is_left_alone(bench: Bench, astronaut_png: bytes, stage: Stage) -> None:
    _, job = bench.accept(astronaut_png)
    if stage == "protect":
        bench.jobs.delete(job)
    before = bench.jobs.get(job.job_id)
    end_overtime(bench, job.job_id, stage, 60)
    assert bench.jobs.get(job.job_id) == before


def test_the_default_number_of_faces_is_one_number() -> None:
    assert Settings().scored_faces == MAX_FACES


@pytest.fixture(scope="module")
def large_jpeg() -> bytes:
    """A photo that takes a second or two."""
    written = io.BytesIO()
    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as photo:
        photo.convert("RGB").resize((4000, 4000)).save(written, "JPEG", quality=80)
    return written.getvalue()


@pytest.fixture
def strict(lives: Lives) -> Running:
    """A service with little patience."""
    return lives.now


@pytest.mark.slow
def test_a_process_that_hangs_costs_its_job_one_attempt(strict: Running, large_jpeg: bytes) -> None:
    """What would hang again is given up the first time, and those behind it wait no longer than that."""
    before = strict.log.read_text().count("protect.started")
    hanging = strict.accepted(large_jpeg, scores="false")
    until(lambda: strict.report(hanging)["status"] == "running", every=0.02)
    child = pid_of(strict, "child")
    assert child is not None
    os.kill(child, signal.SIGSTOP)  # it can neither end nor renew a lease
    began = time.monotonic()
    assert strict.report(hanging)["status"] == "running", "the photo was too small for this test"
    behind = strict.accepted(large_jpeg, scores="false")
    report = strict.settled(hanging, seconds=STRICT_SECONDS + 5)
    assert report["error"]["type"] == "/problems/took-too-long"
    assert f"{STRICT_SECONDS} seconds" in report["error"]["detail"]
    assert strict.settled(behind, seconds=PATIENCE)["status"] == "protected"
    assert time.monotonic() - began < 3 * STRICT_SECONDS, "a new process is warm in seconds"
    assert strict.log.read_text().count("protect.started") == before + 2, "nobody takes it up again"
    assert strict.report(hanging) == report


@pytest.mark.slow
def test_a_process_that_crashes_does_not(strict: Running, large_jpeg: bytes) -> None:
    until(lambda: strict.client.get("/readyz").status_code == 200)
    accepted = strict.accepted(large_jpeg, scores="false")
    until(lambda: strict.report(accepted)["status"] == "running", every=0.02)
    child = pid_of(strict, "child")
    assert child is not None
    os.kill(child, signal.SIGKILL)
    assert strict.settled(accepted, seconds=PATIENCE)["status"] == "protected"
