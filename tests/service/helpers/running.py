"""A service as ``poise serve`` starts it, driven from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

READY_SECONDS = 300.0
SCORED_BY = "stargan,attentiongan,tiny"
"""Who scores photos unless a test wants all generators: the fewer, the sooner a service is ready and a photo scored."""
Report = dict[str, Any]


@dataclass(slots=True)
class Running:
    """A running service: where it answers, where its data lie, the launcher's process, and what was set."""

    url: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client
    environment: dict[str, str] = field(default_factory=dict)

    def upload(self, image: bytes, *, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """Send a photo."""
        return self.client.post("/v1/protections", files={"image": ("photo", image)}, data=fields, headers=headers)

    def accepted(self, image: bytes, **fields: str) -> str:
        """Send a photo that must be accepted; where its report is."""
        answer = self.upload(image, headers=None, **fields)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def report(self, location: str) -> Report:
        """The report as it is."""
        answer = self.client.get(location)
        assert answer.status_code == 200, answer.text
        found: Report = answer.json()
        return found

    def settled(self, location: str, *, seconds: float = 60.0) -> Report:
        """The report once nothing more will happen to the job."""
        end = time.monotonic() + seconds
        while True:
            report = self.report(location)
            if report["status"] in ("scored", "failed") or (
                report["status"] == "protected" and report["scores_status"] != "pending"
            ):
                return report
            assert time.monotonic() < end, f"still {report['status']} after {seconds} s"
            time.sleep(0.1)

    def descendants(self) -> list[tuple[int, str]]:
        """Process ids, and names with command lines, of everything the launcher started, and what those started."""
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,comm=,args="],  # noqa: S607 - where ps is differs
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [line.split(None, 3) for line in listing.splitlines()]
        family = {self.process.pid}
        found: list[tuple[int, str]] = []
        while new := [r for r in rows if int(r[1]) in family and int(r[0]) not in family and not r[2].startswith("Z")]:
            family |= {int(row[0]) for row in new}
            found += [(int(row[0]), row[3]) for row in new]
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the whole process group, as Ctrl-C does; the exit status."""
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return self.process.wait(20)


def redis_socket(service: Running) -> str:
    """Where a service's own Redis listens."""
    commands = [command for _, command in service.descendants()]
    (found,) = {path for command in commands for path in re.findall(r"unixsocket[: ](\S+\.sock)", command)}
    return str(found)


def start(data_dir: Path, **environment: str) -> Running:
    """Start a service on ``data_dir`` and wait until it is ready."""
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("ab") as stream:
        before = stream.tell()  # the log goes on over restarts
        process = launch(data_dir, stream, **environment)
    end = time.monotonic() + READY_SECONDS
    while True:
        text = log.read_bytes()[before:].decode()
        found = re.search(r"Poise is ready: (http://\S+)", text)
        if found:
            return Running(found[1], data_dir, log, process, httpx.Client(base_url=found[1], timeout=60), environment)
        assert process.poll() is None, f"ended with {process.returncode}: {text}"
        if time.monotonic() > end:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
            raise AssertionError(f"not ready: {text}")
        time.sleep(0.1)


def launch(data_dir: Path, stream: IO[bytes], **environment: str) -> subprocess.Popen[bytes]:
    """``poise serve`` on a free port, in a process group of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POISE_")}
    return subprocess.Popen(
        [sys.executable, "-c", "from worker.cli import app; app()", "serve"],
        env={
            **clean,
            "POISE_PORT": "0",
            "POISE_DATA_DIR": str(data_dir),
            "POISE_SCORED_BY": SCORED_BY,
            **environment,
        },
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )
