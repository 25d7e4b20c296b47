"""Redis servers that tests start on a port."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from tests.helpers.ports import free_port
from worker.serve import embedded_redis


@contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[int]:
    """A ``redis-server`` with these options on a port of this machine, a free one if none is given."""
    chosen = free_port() if port is None else port
    folder.mkdir(exist_ok=True)
    command = [embedded_redis.server_program(), *options, "--port", str(chosen), "--bind", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--dir", str(folder)], stdout=log, stderr=log)
    try:
        with Redis(port=chosen) as client:
            embedded_redis.wait_until_up(client, seconds=30)
        yield chosen
    finally:
        process.kill()
        process.wait(30)
