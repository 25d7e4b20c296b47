"""What takes long waits in a queue of its own, and others do not wait behind it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from app.contracts.broker import queue_key
from app.contracts.jobs import WAITING_SECONDS, Job
from app.contracts.lanes import CROWD, queue_of, task_of
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
from app.contracts.report import Face, Source
from tests.service.conftest import Bench
from tests.service.test_jobs import sweeper_of

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


def test_every_task_of_a_job_is_known_to_workers() -> None:
    code = "from worker.celery_app import app; import worker.tasks; print(*app.tasks)"
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
