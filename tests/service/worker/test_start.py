"""How a worker's process starts: it waits for missing parts, and exits if it cannot work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from app.contracts.names import QUEUE_SCORE
from app.contracts.redis import liveness
from tests.helpers.ports import free_port
from tests.helpers.redis_server import redis_server
from tests.service.conftest import Bench

PATIENCE = 240.0
OF_TWO = max(1, (os.cpu_count() or 1) // 2)
"""The threads of each of two processes that share all processors."""
SCRIPT = """
import time
from celery import signals
from redis import RedisError
from app.contracts.settings import load_settings
from worker.process import Process
from worker.queue import child

def prepare(queues):
    if errors:
        raise errors.pop(0)

errors = {errors}
child._PAUSE_SECONDS = 0.1
process = Process(load_settings(), print)
process.prepare = prepare
# as the application connects it, which imports too much for a test
signals.worker_process_init.connect(lambda **_: child.Child(process, ["score"]).start(), weak=False)
signals.worker_process_init.send(sender=None)
import torch
print("threads", torch.get_num_threads(), "left", len(errors), flush=True)
time.sleep(3)
"""


def started(bench: Bench, errors: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that starts as a worker's does; what its warming up raises, one after the other."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    settings = {"POISE_REDIS_URL": str(bench.settings.redis_url), "POISE_DATA_DIR": str(bench.settings.data_dir)}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(errors=errors)],
        env={**clean, **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_what_is_away_is_waited_for(bench: Bench) -> None:
    """And the processors are shared among two processes that compute at once."""
    done = started(bench, "[RedisError(), OSError(), ConnectionError()]")
    assert done.returncode == 0, done.stderr
    assert f"threads {OF_TWO} left 0" in done.stdout
    assert liveness.hosts(bench.redis, QUEUE_SCORE) == {socket.gethostname()}, "it has signed in"


def test_a_process_that_cannot_work_ends(bench: Bench) -> None:
    """A signal's handler cannot do so by raising, and a process without its duties must take no tasks."""
    done = started(bench, "[ValueError('nothing will help')]")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nothing will help" in done.stderr
    assert liveness.count(bench.redis, QUEUE_SCORE) == 0


def test_threads_that_were_shared_out_are_kept(bench: Bench) -> None:
    processors = os.cpu_count() or 1
    bare = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.get_num_threads())"],
        env={**os.environ, "OMP_NUM_THREADS": str(processors)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert f"threads {bare} " in started(bench, "[]", OMP_NUM_THREADS=str(processors)).stdout
    assert f"threads {OF_TWO} " in started(bench, "[]", OMP_NUM_THREADS="").stdout, "as where it is not set"


@pytest.mark.slow
def test_a_worker_started_before_redis_serves_in_the_end(tmp_path: Path) -> None:
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POISE_")}
    environment = {"POISE_REDIS_URL": f"redis://127.0.0.1:{port}/0", "POISE_DATA_DIR": str(tmp_path / "var")}
    celery = [sys.executable, "-m", "celery", "--quiet", "--app", "worker.queue.celery_app", "worker"]
    options = ["--queues", QUEUE_SCORE, "--concurrency", "1", "--loglevel", "WARNING", "--without-mingle"]
    log = tmp_path / "worker.log"
    with log.open("wb") as stream:
        worker = subprocess.Popen(
            [*celery, *options], env={**clean, **environment}, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        wait_until(worker, log, lambda: "duty=jobs error=ConnectionError" in log.read_text())
        with redis_server(tmp_path / "redis", "--save", "", port=port), Redis(port=port) as redis:
            wait_until(worker, log, lambda: liveness.count(redis, QUEUE_SCORE) == 1)
    finally:
        worker.kill()
        worker.wait()


def wait_until(worker: subprocess.Popen[bytes], log: Path, that: Callable[[], bool]) -> None:
    """Until that is so, while the worker lives."""
    end = time.monotonic() + PATIENCE
    while not that():
        assert worker.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.3)
