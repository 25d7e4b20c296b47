"""Whichever process is killed: accepted jobs are finished, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.service.helpers import running
from tests.service.helpers.lives import Lives
from tests.service.helpers.running import Running
from worker.serve import embedded_redis

ENDS = ["scored", "protected", "protected", "scored"]
"""How each photo ends: with scores, or without where none were wanted."""


def accepted_by(run: Running, photo: bytes) -> list[str]:
    """Photos that were accepted, one for every end."""
    return [run.accepted(photo, scores=str(end == "scored").lower()) for end in ENDS]


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return bool(state.strip()) and not state.startswith("Z")


def gone(pids: list[int], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    return not any(alive(pid) for pid in pids)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["worker", "child of worker", "source of workers", "redis"])
def test_killed_process_loses_no_job(lives: Lives, astronaut_png: bytes, which: str) -> None:
    wounded = lives.now
    accepted = accepted_by(wounded, astronaut_png)
    if which == "redis":
        time.sleep(1.2)  # its append-only file reaches the disk every second
    workers = [pid for pid, command in wounded.descendants() if "protect@" in command]
    sources = [pid for pid, command in wounded.descendants() if "poise-workers" in command]
    servers = [pid for pid, command in wounded.descendants() if "redis-server" in command]
    victims = {"worker": workers[0], "child of worker": workers[-1], "source of workers": sources[0]}
    os.kill(victims.get(which, servers[0]), signal.SIGKILL)
    end = time.monotonic() + 60
    while time.monotonic() < end and wounded.client.get("/readyz").status_code != 200:
        time.sleep(0.2)
    assert [wounded.settled(here, seconds=120)["status"] for here in accepted] == ENDS


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_restart_finishes_accepted_jobs(lives: Lives, astronaut_png: bytes, how: signal.Signals) -> None:
    before = lives.now
    processes = [pid for pid, _ in before.descendants()]
    assert len(processes) >= 6
    accepted = accepted_by(before, astronaut_png)
    began = time.monotonic()
    if how == signal.SIGKILL:  # of the launcher alone
        os.kill(before.process.pid, how)
    status = before.stop(how)
    assert time.monotonic() - began < 10
    assert status == (0 if how == signal.SIGINT else -signal.SIGKILL)
    assert gone(processes, seconds=5), "processes outlived the launcher"

    after = lives.begin()
    assert [after.settled(here, seconds=240)["status"] for here in accepted] == ENDS


def test_second_start_on_the_same_folder_is_refused(lives: Lives) -> None:
    service = lives.now
    log = service.data_dir.parent / "second.log"
    with log.open("wb") as stream:
        second = running.launch(service.data_dir, stream)
    assert second.wait(30) == 1
    assert "another Poise runs on" in log.read_text()
    assert service.client.get("/readyz").status_code == 200


def kept(folder: Path, *names: str) -> Path:
    """A Redis of ``poise serve`` that has kept these keys: its append-only file."""
    folder.mkdir(parents=True)
    socket = embedded_redis.socket_path(folder)
    process = subprocess.Popen(embedded_redis.command(folder, socket))
    with embedded_redis.client(f"unix://{socket}") as client:
        embedded_redis.wait_until_up(client, seconds=30)
        for name in names:
            client.set(name, name * 100)
    process.terminate()
    process.wait(30)
    return max(folder.rglob("*.aof"), key=lambda path: path.stat().st_size)


def test_an_append_only_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = kept(tmp_path / "redis", "first", "last")
    os.truncate(file, file.stat().st_size - 50)
    socket = embedded_redis.socket_path(tmp_path / "redis")
    process = subprocess.Popen(embedded_redis.command(tmp_path / "redis", socket))
    with embedded_redis.client(f"unix://{socket}") as client:
        embedded_redis.wait_until_up(client, seconds=30)
        assert client.keys() == [b"first"]
    process.terminate()
    process.wait(30)


def test_a_damaged_append_only_file_is_named(tmp_path: Path) -> None:
    file = kept(tmp_path / "var" / "redis", "first", "last")
    content = bytearray(file.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    file.write_bytes(content)
    log = tmp_path / "damaged.log"
    with log.open("wb") as stream:
        process = running.launch(tmp_path / "var", stream)
    assert process.wait(60) == 1
    assert "redis-check-aof --fix" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_taken_port_is_named(lives: Lives, tmp_path: Path) -> None:
    log = tmp_path / "taken.log"
    with log.open("wb") as stream:
        second = running.launch(tmp_path / "var", stream, POISE_PORT=lives.now.url.rpartition(":")[2])
    assert second.wait(30) == 1
    assert "POISE_PORT" in log.read_text()


def test_unknown_setting_is_named(tmp_path: Path) -> None:
    log = tmp_path / "unknown.log"
    with log.open("wb") as stream:
        process = running.launch(tmp_path / "var", stream, POISE_MAX_UPLAOD_BYTES="1")
    assert process.wait(30) == 2
    assert "POISE_MAX_UPLAOD_BYTES" in log.read_text()
