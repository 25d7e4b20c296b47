"""The front end on a bare Redis, without workers behind it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from app.contracts.settings import Settings
from app.server import configuration
from app.service import Service
from tests.service.conftest import Bench


class Recorder:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, task: str, job_id: str) -> None:
        self.sent.append((task, job_id))


def front_of(bench: Bench) -> Service:
    """What the routes call."""
    return Service(bench.settings, bench.redis, bench.jobs, bench.blobs, bench.versions, Recorder())


@contextmanager
def serving(bench: Bench, **chosen: object) -> Iterator[httpx.Client]:
    """The routes, on a port of this process and with other settings than the bench's."""
    settings = Settings.model_validate({**bench.settings.model_dump(), **chosen})
    server = uvicorn.Server(configuration(settings))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            end = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < end
                time.sleep(0.02)
            with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
