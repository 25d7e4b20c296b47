"""Services of ``docker-compose.yml`` as processes of this machine, with their own commands and environments.

What differs from a container is the table in :func:`here`, and nothing else: where programs and folders lie, and
under which address a service is reached.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.deploy import dockerfile
from tests.deploy.composition import ROOT, Part
from tests.helpers.ports import free_port
from worker.serve import embedded_redis

HEALTHY_SECONDS: Final = 240.0
_ASKED_EVERY_SECONDS: Final = 2.0
"""A health check is a process of its own, and takes half a second of a processor."""


def here(folder: Path, *, redis_port: int, api_port: int) -> dict[str, str]:
    """What a container has, and what stands for it here."""
    return {
        "@redis:6379": f"@127.0.0.1:{redis_port}",
        "--port 6379": f"--port {redis_port}",
        "-p 6379": f"-p {redis_port}",
        "--bind 0.0.0.0": "--bind 127.0.0.1",
        "--dir /data": f"--dir {folder / 'redis'}",
        "/var/lib/poise": str(folder / "data"),
        "0.0.0.0": "127.0.0.1",  # noqa: S104 - translated away
        "8000": str(api_port),
        "9100": str(free_port()),
    }


@dataclass(slots=True)
class Started:
    """A running service and its log."""

    part: Part
    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str]
    table: dict[str, str]

    def is_healthy(self) -> bool:
        """What its own health check says."""
        words = [_translated(word, self.table) for word in self.part.health]
        done = subprocess.run(words, env=self.environment, capture_output=True, cwd=ROOT, check=False, timeout=60)
        return done.returncode == 0

    def wait_until_healthy(self) -> None:
        """Return once it is; what ``condition: service_healthy`` waits for."""
        end = time.monotonic() + HEALTHY_SECONDS
        while not self.is_healthy():
            assert self.process.poll() is None, f"{self.part.name} has ended: {self.log.read_text()}"
            assert time.monotonic() < end, f"{self.part.name} is not healthy: {self.log.read_text()}"
            time.sleep(_ASKED_EVERY_SECONDS)

    def stop(self) -> int:
        """Ask it to end as Docker does, and make it after twice the grace it is given; its exit status."""
        grace = float(self.part.said["stop_grace_period"].removesuffix("s"))
        self.process.terminate()
        try:
            return self.process.wait(2 * grace)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def start(part: Part, folder: Path, table: dict[str, str]) -> Started:
    """Start ``part`` with its own command, its image's environment and its own."""
    log = folder / f"{part.name}.log"
    image = dockerfile.environment(ROOT / part.said["build"]["dockerfile"]) if "build" in part.said else {}
    told = {name: _translated(value, table) for name, value in {**image, **part.environment}.items()}
    programs = [Path(sys.executable).parent, Path(embedded_redis.server_program()).parent, "/usr/bin", "/bin"]
    environment = {**told, "PATH": ":".join(str(place) for place in programs)}
    command = [_translated(word, table) for word in part.command]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=stream, stderr=stream, start_new_session=True
        )
    return Started(part, process, log, environment, table)


def _translated(word: str, table: dict[str, str]) -> str:
    for there, stand_in in table.items():
        word = word.replace(there, stand_in)
    return word
