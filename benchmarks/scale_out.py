"""The parts of ``docker-compose.yml`` several times over: two front ends and three workers on one Redis and one S3.

    .venv/bin/python -m benchmarks.scale_out [--photos 500] [--clients 50] [--side 1000]

First with one worker, then with three in its place. All parts run on this machine with their own commands and
environments, so three workers gain what it has processors for. Prints one JSON document; exit status 1 where a photo
was lost: every copy is fetched in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.load import photos, send_all
from tests.deploy.composition import Part, parts
from tests.deploy.locally import Started, here, start
from tests.helpers.ports import free_port
from tests.service.helpers import s3

SECRETS: Final = {"REDIS_PASSWORD": "letters0and9digits", "POISE_ADMIN_KEYS": "k" * 32, "WORKER_THREADS": "1"}
FRONT_ENDS: Final = 2


class Site:
    """Services of the composition on this machine, with their files in ``storage``; ``stack`` stops them."""

    def __init__(self, folder: Path, storage: s3.Server, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._parts = parts({**SECRETS, **storage.environment("scale-out")})
        self._redis_port = free_port()

    def run(self, name: str, *, instance: int = 0, port: int = 0) -> Started:
        """Start an instance of a service and wait until it is healthy."""
        folder = self._folder / f"{name}-{instance}"
        for place in ("redis", "data"):
            (folder / place).mkdir(parents=True, mode=0o700)
        table = here(folder, redis_port=self._redis_port, api_port=port or free_port())
        started = start(_named(self._parts[name], instance), folder, table)
        self._stack.callback(started.stop)
        started.wait_until_healthy()
        return started


def _named(part: Part, instance: int) -> Part:
    """``part`` under a host name of its own, as every container has."""
    command = [word.replace("@%h", f"@host{instance}") for word in part.command]
    return replace(part, said={**part.said, "command": command})


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both runs."""
    images = photos(2 * arguments.photos, arguments.side)
    with tempfile.TemporaryDirectory() as name, s3.serving(Path(name)) as storage, ExitStack() as stack:
        running = Site(Path(name), storage, stack)
        running.run("redis")
        first = running.run("worker")
        ports = [free_port() for _ in range(FRONT_ENDS)]
        for instance, port in enumerate(ports):
            running.run("api", instance=instance, port=port)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        send_all(urls, images[:2], 2)  # what is loaded on first use
        one = send_all(urls, images[: arguments.photos], arguments.clients)
        first.stop()
        for instance in (1, 2, 3):
            running.run("worker", instance=instance)
        three = send_all(urls, images[arguments.photos :], arguments.clients)
    return {"cores": os.cpu_count(), "front_ends": FRONT_ENDS, "one_worker": one, "three_workers": three}


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--side", type=int, default=1000)
    found = measured(parser.parse_args())
    print(json.dumps(found, indent=1))
    sys.exit(1 if found["one_worker"]["failed"] or found["three_workers"]["failed"] else 0)


if __name__ == "__main__":
    main()
