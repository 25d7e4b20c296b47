"""``poise serve``: starts Redis, workers and front end in order, watches them, and stops them in order."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.contracts.logs import event
from app.contracts.names import QUEUE_TRAIN, QUEUES
from app.contracts.settings import Settings
from worker.process import take_over
from worker.queue.reserve_file import Reserve
from worker.serve import embedded_redis, forked
from worker.serve.forked import Forked

if TYPE_CHECKING:
    from types import FrameType

_log = logging.getLogger(__name__)

_CELERY: Final = (sys.executable, "-m", "celery")
_REDIS: Final = "redis"
_WEB: Final = "web"
_POLL_SECONDS: Final = 0.2
_MOST_RESTARTS: Final = 5
_RESTART_WINDOW_SECONDS: Final = 60.0


class CannotServe(Exception):
    """The service cannot start or continue; the message says why."""


@dataclass(slots=True)
class Child:
    """A process that runs until it is stopped.

    death_signal: the signal it gets if the launcher is killed. seconds_to_stop: seconds it may take to end. preloaded:
    whether it is a worker that is forked from the process which has imported what workers need.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    death_signal: signal.Signals = signal.SIGKILL
    seconds_to_stop: float = 3.0
    pass_fds: tuple[int, ...] = ()
    preloaded: bool = False
    process: subprocess.Popen[bytes] | Forked | None = None
    restarts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches the launcher alone, which stops things in order."""
        self.process = self._forked() if self.preloaded else None
        if self.process is not None:
            return
        tied_to_us = [sys.executable, "-m", "worker.serve.parent_death", str(os.getpid()), str(int(self.death_signal))]
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            [*tied_to_us, *self.command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            pass_fds=self.pass_fds,
            start_new_session=True,
        )

    def _forked(self) -> Forked | None:
        """It, forked; ``None`` if that failed: then it loads what it needs for itself."""
        try:
            return Forked(self.name, self.command[len(_CELERY) :], self.environment, self.death_signal)
        except OSError as error:
            event(_log, "launcher.not_forked", level=logging.WARNING, child=self.name, error=str(error))
            return None

    def has_ended(self) -> bool:
        """Whether it was started and is not running."""
        return self.process is not None and self.process.poll() is not None

    def revive(self) -> None:
        """Start it again if it has ended.

        Raises:
            CannotServe: it keeps ending.
        """
        if self.process is None or not self.has_ended():
            return
        now = time.monotonic()
        self.restarts = [at for at in self.restarts if at > now - _RESTART_WINDOW_SECONDS] + [now]
        event(_log, "launcher.child_ended", level=logging.ERROR, child=self.name, status=self.process.returncode)
        if len(self.restarts) > _MOST_RESTARTS:
            raise CannotServe(f"the {self.name} process keeps exiting; the lines above say why")
        self.start()

    def stop(self, *, seconds_to_stop: float | None = None) -> None:
        """Ask it to end, and kill it if it does not."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(self.seconds_to_stop if seconds_to_stop is None else seconds_to_stop)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Run the service until SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: where to listen, where data lie, and which Redis to use; without one, its own is started.
        ready: called once with the service's URL, when a photo can be sent.

    Raises:
        CannotServe: the port is taken, the data folder is in use or cannot be written, or a process keeps ending.
    """
    with ExitStack() as stack:
        over = stack.enter_context(_asked_to_stop())
        data_dir = settings.data_dir.resolve()
        stack.enter_context(_locked(data_dir))
        with suppress(OSError):
            Reserve(data_dir).maintain()  # a full disk must not keep Redis from starting
        listening = stack.enter_context(_listen(settings.host, settings.port))
        port = listening.getsockname()[1]
        if forked.AVAILABLE:
            stack.callback(forked.stop)
            with suppress(OSError):  # each worker tries again, and logs why
                forked.prepare()
        children: list[Child] = []
        stack.callback(_stop, children)
        if settings.redis_url is None:
            redis_url = stack.enter_context(_own_redis(data_dir / "redis", children))
        else:
            redis_url = settings.redis_url
        hosts = _answered_to(settings, listening)
        chosen = settings.model_copy(
            update={"data_dir": data_dir, "redis_url": redis_url, "port": port, "allowed_hosts": hosts}
        )
        if settings.redis_url is None:
            _take_over(chosen)
        environment = {**os.environ, **_as_environment(chosen)}
        server = [sys.executable, "-m", "app.server", "--fd", str(listening.fileno())]
        _start(children, Child(_WEB, server, environment, pass_fds=(listening.fileno(),)))
        for queue in QUEUES:
            _start(children, worker(queue, environment))
        _watch(children, over, f"http://{_reachable(settings.host)}:{port}", ready)


def _watch(children: list[Child], over: threading.Event, url: str, ready: Callable[[str], None]) -> None:
    """Keep every child running, and announce the service once it is ready."""
    announced = False
    while not over.wait(_POLL_SECONDS):
        for child in children:
            child.revive()
        if not announced and _is_ready(url):
            announced = True
            ready(url)


def _stop(children: list[Child]) -> None:
    """Stop what takes work in first, and Redis last; workers at the same time."""
    event(_log, "launcher.stopping")
    in_order = sorted(children, key=lambda child: {_WEB: 0, _REDIS: 2}.get(child.name, 1))
    for child in in_order:
        if child.process is not None and child.name != _REDIS:
            with suppress(ProcessLookupError):
                child.process.terminate()
    for child in in_order:
        child.stop()


def _start(children: list[Child], child: Child) -> None:
    child.start()
    children.append(child)


def worker(queue: str, environment: dict[str, str]) -> Child:
    """A Celery worker of one process. If it ends in the middle of a job, nothing is lost: see the sweeper."""
    celery = [*_CELERY, "--quiet", "--app", "worker.queue.celery_app", "worker"]
    options = ["--hostname", f"{queue}@%h", "--queues", queue, "--concurrency", "1"]
    if queue == QUEUE_TRAIN:
        # a process for every training: what one has taken of the memory goes with it
        options += ["--max-tasks-per-child", "1"]
    quiet = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [*celery, *options, *quiet]
    return Child(f"{queue}@poise", command, environment, seconds_to_stop=5.0, preloaded=forked.AVAILABLE)


@contextmanager
def _own_redis(folder: Path, children: list[Child]) -> Iterator[str]:
    """Start an own Redis as the first child. Returns its URL."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = embedded_redis.socket_path(folder)
    try:
        embedded_redis.stop_leftover(path)
        child = Child(_REDIS, embedded_redis.command(folder, path), dict(os.environ), death_signal=signal.SIGTERM)
        _start(children, child)
        url = f"unix://{path}"
        with embedded_redis.client(url) as client:
            embedded_redis.wait_until_up(client, seconds=20, has_ended=child.has_ended)
        yield url
    except embedded_redis.NoRedis as error:
        raise CannotServe(
            f"{error}: {folder / 'redis.log'}. If that names a damaged append-only file, repair it with "
            f"redis-check-aof --fix, or move {folder} away; then results are lost, and their files are erased"
        ) from error
    finally:
        if path.parent != folder:
            shutil.rmtree(path.parent, ignore_errors=True)


def _take_over(settings: Settings) -> None:
    """Free unfinished work of an earlier start: at this moment nobody else works on this Redis."""
    unfinished = take_over(settings)
    if unfinished:
        event(_log, "launcher.unfinished_jobs", count=unfinished)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder alone. The lock is the kernel's: it ends with this process, and is never stale."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "poise.lock").open("a")
    except OSError as error:
        raise CannotServe(f"the data folder {data_dir} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotServe(
                f"another Poise runs on {data_dir}; stop it or set POISE_DATA_DIR to another folder"
            ) from None
        yield


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. It outlives the front end's process, so a restart refuses no connections."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address, family=family, backlog=512)
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {host} port {port}: {error.strerror}; set POISE_PORT to a free one"
        ) from error
    with listening:
        yield listening


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that the usual signals to stop set."""
    over = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        over.set()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, stop) for number in signals]
    try:
        yield over
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _answered_to(settings: Settings, listening: socket.socket) -> str | None:
    """The host names of the front end: those configured, or this machine's own if nobody else can reach it.

    Behind a proxy, requests may use any name the proxy has.
    """
    address = str(listening.getsockname()[0])
    if settings.allowed_hosts or settings.trusted_proxies or not ip_address(address).is_loopback:
        return settings.allowed_hosts
    return ",".join(dict.fromkeys(("localhost", "127.0.0.1", "::1", address)))


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(json.load(answer)["status"] == "ready")
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _reachable(host: str) -> str:
    """``host`` as somebody on this machine would reach it."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _as_environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child the same settings."""
    return {f"POISE_{name.upper()}": str(value) for name, value in settings.model_dump(exclude_none=True).items()}
