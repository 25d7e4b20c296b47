"""Processes for untrusted files: they may do anything, and their parent goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worker.generators import confined
from worker.generators.confined import Ended

pytestmark = pytest.mark.new_interpreter


def probe(folder: Path, do: str, *, processor_seconds: int = 5, megabytes: int = 1000) -> Ended:
    return confined.run(
        "tests.service.helpers.probing",
        {"do": do},
        folder=folder,
        processor_seconds=processor_seconds,
        megabytes=megabytes,
    )


def test_it_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POISE_REDIS_URL", "POISE_ADMIN_KEYS", "AWS_SECRET_ACCESS_KEY", "REDISCLI_AUTH"):
        monkeypatch.setenv(name, "a-secret")
    ended = probe(tmp_path, "environment")
    assert ended.answer is not None
    names = set(ended.answer["names"])
    assert "OMP_NUM_THREADS" in names
    assert not [name for name in names if name.startswith(("POISE_", "AWS_", "REDIS"))]


def test_processor_time_is_limited(tmp_path: Path) -> None:
    ended = probe(tmp_path, "spin", processor_seconds=1)
    assert ended.answer is None
    assert ended.stopped
    assert ended.seconds < 10


def test_idle_time_is_limited(tmp_path: Path) -> None:
    ended = probe(tmp_path, "sleep", processor_seconds=1)
    assert ended.answer is None
    assert ended.stopped
    assert ended.seconds < 5


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel sees to it on Linux only")
def test_memory_is_limited(tmp_path: Path) -> None:
    ended = probe(tmp_path, "grow")
    assert ended.answer is not None
    assert ended.answer["megabytes"] < 300


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_memory_is_watched_from_outside_too(tmp_path: Path) -> None:
    ended = probe(tmp_path, "sleep", megabytes=1)
    assert ended.stopped
    assert ended.seconds < 5
    assert ended.megabytes > 1


@pytest.mark.parametrize("do", ["write", "chatter"])
def test_long_answers_are_discarded(tmp_path: Path, do: str) -> None:
    """Larger than a file may get, or than is read."""
    assert probe(tmp_path, do).answer is None


def test_a_crash_is_not_reported_as_a_limit(tmp_path: Path) -> None:
    ended = probe(tmp_path, "crash")
    assert ended.answer is None
    assert not ended.stopped


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from worker.generators import confined
folder = Path({str(tmp_path)!r})
confined.run("tests.service.helpers.probing", {{"do": "spin"}}, folder=folder, processor_seconds=60, megabytes=1000)
"""
    starter = subprocess.Popen([sys.executable, "-c", code])
    child = _child_of(starter.pid)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    end = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < end
        time.sleep(0.1)


def _child_of(pid: int) -> int:
    """The one child, once it has tied itself to its parent and works."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    end = time.monotonic() + 30
    while True:
        found = children.read_text().split()
        if found and _processor_ticks(int(found[0])) > 50:
            return int(found[0])
        assert time.monotonic() < end
        time.sleep(0.1)


def _processor_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
