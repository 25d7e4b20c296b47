"""What takes long waits in a queue of its own, and others do not wait behind it."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import time

import pytest
from PIL import Image

from app.contracts.names import (
    PROTECT,
    PROTECT_LARGE,
    QUEUE_LARGE,
    QUEUE_PROTECT,
    SCORE,
    SCORE_CROWD,
    TASK_QUEUES,
    Format,
    FormatChoice,
)
from app.contracts.queues import CROWD, queue_of, task_of
from app.contracts.records.jobs import Job
from app.contracts.redis.leases import WAITING_SECONDS
from app.contracts.redis.messages import queue_key
from app.contracts.report import Face, Source
from tests.service.conftest import Bench
from tests.service.helpers.admin_uploads import tiny_generator
from tests.service.helpers.running import Running
from tests.service.worker.test_jobs import sweeper_of

FACE = Face(x=0, y=0, width=9, height=9, confidence=1.0)


def sized(job: Job, kind: Format, megapixels: float) -> None:
    job.progress.source = Source(format=kind, width=round(megapixels * 1000), height=1000, bytes=1)


@pytest.mark.parametrize(
    ("kind", "wanted", "megapixels", "task"),
    [
        ("jpeg", "keep", 12, PROTECT),
        ("jpeg", "keep", 50, PROTECT_LARGE),
        ("jpeg", "png", 12, PROTECT_LARGE),
        ("avif", "keep", 1, PROTECT),
        ("avif", "keep", 12, PROTECT_LARGE),
        ("avif", "jpeg", 12, PROTECT_LARGE),
        ("webp", "keep", 8, PROTECT),
        ("png", "keep", 50, PROTECT_LARGE),
    ],
)
def test_what_takes_long_goes_by_size_and_formats(
    bench: Bench, kind: Format, wanted: FormatChoice, megapixels: float, task: str
) -> None:
    _, job = bench.accept(b"photo", format=wanted)
    sized(job, kind, megapixels)
    assert task_of(job) == task


@pytest.mark.parametrize(("faces", "task"), [(0, SCORE), (CROWD - 1, SCORE), (CROWD, SCORE_CROWD), (100, SCORE_CROWD)])
def test_crowds_are_scored_beside_others(bench: Bench, faces: int, task: str) -> None:
    _, job = bench.accept(b"photo")
    job.progress.status = "protected"
    job.progress.faces = (FACE,) * faces
    assert task_of(job) == task
    job.progress.status = "scored"
    assert (task_of(job), queue_of(job)) == (None, None)


def test_the_report_says_how_many_faces_were_left_out(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png, previews=False)
    bench.stages.protect(job.job_id, bench.perturbation)

    def crowd(job: Job) -> None:
        job.progress.faces = tuple(
            FACE.model_copy(update={"x": 40 * at, "width": 60, "height": 60, "confidence": 0.5 + at / 100})
            for at in range(11)
        )

    bench.jobs.update(job.job_id, crowd)
    bench.stages.score(job.job_id, lambda: [tiny_generator()], list)
    progress = bench.job(job.job_id).progress
    assert (progress.scores_status, len(progress.faces), progress.faces_not_scored) == ("done", 11, 3)


def test_every_task_of_a_job_is_known_to_workers() -> None:
    code = "from worker.queue.celery_app import app; import worker.queue.tasks; print(*app.tasks)"
    environment = {"POISE_REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert TASK_QUEUES.keys() <= set(done.stdout.split())


def test_a_lost_message_is_sent_again_to_the_queue_it_was_in(bench: Bench) -> None:
    _, normal = bench.accept(b"photo")
    _, large = bench.accept(b"photo")
    bench.jobs.update(large.job_id, lambda job: sized(job, "avif", 40))
    bench.redis.lpush(queue_key(QUEUE_PROTECT), "the message of the other one")
    for job in (normal, large):
        bench.redis.zincrby("poise:open", -WAITING_SECONDS - 1, job.job_id)
    assert sweeper_of(bench).resend() == 1
    assert bench.sent == [(PROTECT_LARGE, large.job_id)]
    bench.sent.clear()
    bench.redis.lpush(queue_key(QUEUE_LARGE), "a message")
    bench.redis.zadd("poise:open", {large.job_id: time.time() - 1})
    assert sweeper_of(bench).resend() == 0


def tiled(portrait: bytes, side: int) -> bytes:
    """A picture of ``side`` times ``side`` portraits."""
    with Image.open(io.BytesIO(portrait)) as one:
        whole = Image.new("RGB", (side * one.width, side * one.height))
        for x, y in itertools.product(range(side), range(side)):
            whole.paste(one.convert("RGB"), (x * one.width, y * one.height))
    written = io.BytesIO()
    whole.save(written, "JPEG", quality=90)
    return written.getvalue()


@pytest.mark.slow
def test_scores_of_one_face_do_not_wait_behind_crowds(service: Running, astronaut_png: bytes) -> None:
    crowds = [service.accepted(tiled(astronaut_png, 2), previews="false") for _ in range(5)]
    one = service.accepted(astronaut_png, previews="false")
    assert service.settled(one, seconds=900)["status"] == "scored"
    reports = [service.report(crowd) for crowd in crowds]
    assert all(len(report["faces"]) >= CROWD for report in reports)
    assert sum(report["scores_status"] == "pending" for report in reports) >= 2, "it was the last to be sent"
    for crowd in crowds:
        assert service.client.delete(crowd).status_code == 204
