"""The front end as a process of its own, on a bare Redis, with as many files as a test lets it open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.helpers.ports import free_port


@dataclass(frozen=True, slots=True)
class Alone:
    """Its address, its log and its process."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client

    def connected(self) -> socket.socket:
        """A connection that has not said anything."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def memory(self) -> int:
        """The most bytes it has ever held in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024


@contextmanager
def alone(redis_url: str, folder: Path, *, files: tuple[int, int] | None = None, **environment: str) -> Iterator[Alone]:
    """A front end that answers. files: the soft and the hard limit of open files it begins with."""
    port, log = free_port(), folder / "front.log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POISE_")}
    own = {"POISE_PORT": str(port), "POISE_REDIS_URL": redis_url, "POISE_DATA_DIR": str(folder / "var")}

    command = [sys.executable, "-m", "app.server"]
    if files is not None:
        command = ["sh", "-c", f'ulimit -Sn {files[0]} && ulimit -Hn {files[1]} && exec "$@"', "sh", *command]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env={**clean, **own, **environment}, stdout=stream, stderr=stream)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(client, process, log)
            yield Alone(port, log, process, client)
    finally:
        process.terminate()
        process.wait(20)


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            client.get("/livez")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


@contextmanager
def trickling(lines: Iterable[socket.socket]) -> Iterator[None]:
    """A byte now and then on each of ``lines``."""
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.1):
            for line in lines:
                with suppress(OSError):
                    line.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def crowd(front: Alone, count: int, says: bytes) -> Iterator[list[socket.socket]]:
    """``count`` connections that have all said the same, and nothing since."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = stack.enter_context(closing(front.connected()))
            line.sendall(says)
            lines.append(line)
        yield lines
