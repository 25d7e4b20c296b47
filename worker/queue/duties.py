"""The background threads of a worker's child: it signs in, renews leases and sweeps."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from redis import Redis, RedisError

from app.contracts.logs import event
from app.contracts.records.trainings import Trainings
from app.contracts.redis import backlog, liveness
from app.contracts.redis.leases import JobLeases
from worker.queue.activity import Activity
from worker.queue.reserve_file import Reserve
from worker.queue.sweeper import Sweeper

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Duties:
    """Two threads, because scanning a large storage takes longer than a lease lasts."""

    queues: list[str]
    redis: Redis
    leases: JobLeases
    trainings: Trainings
    activity: Activity
    sweeper: Sweeper
    reserve: Reserve
    over: threading.Event = field(default_factory=threading.Event)

    def start_sweeping(self) -> None:
        """Start before anything else: if a full disk keeps the process from getting ready, it still erases."""
        threading.Thread(target=self.sweep, name="sweep", daemon=True).start()

    def sign_in(self) -> None:
        """Sign in: the process is ready."""
        threading.Thread(target=self.beat, name="beat", daemon=True).start()

    def beat(self) -> None:
        """Sign in and renew leases every few seconds."""
        name = f"{socket.gethostname()}:{os.getpid()}"

        def once() -> None:
            liveness.beat(self.redis, name, self.queues)
            if self.activity.busy.is_set():
                backlog.worked(self.redis, self.queues)
            self.activity.job.renew(self.leases)
            self.activity.training.renew(self.trainings)

        repeat(once, self.over)
        try:
            liveness.leave(self.redis, name, self.queues)
        except RedisError:
            event(_log, "worker.leave_failed", level=logging.WARNING)

    def sweep(self) -> None:
        """Sweep when it is due."""

        def once() -> None:
            with suppress(OSError):  # a folder that takes no files: /readyz says so
                self.reserve.maintain()
            if self.sweeper.sweep_if_due(time.monotonic()):
                _end_worker()

        repeat(once, self.over)


def repeat(once: Callable[[], None], over: threading.Event) -> None:
    """Repeat a duty every few seconds until the process ends, even if Redis is away for a while."""
    while not over.is_set():
        try:
            once()
        except (RedisError, OSError) as error:
            event(_log, "worker.duty_failed", level=logging.WARNING, error=type(error).__name__)
        except Exception:  # noqa: BLE001 - a worker whose duties have ended works on, and counts as dead
            _log.exception("worker.duty_failed")
        over.wait(liveness.BEAT_SECONDS)


def _end_worker() -> None:
    """Shut the whole worker down in order, because Redis was restarted.

    A Celery parent that lost its connection in the middle of an acknowledgement may look alive and never take a
    message again. The launcher or the container's restart policy starts the worker again.
    """
    event(_log, "worker.leaves_after_redis_restart", level=logging.WARNING)
    os.kill(os.getppid(), signal.SIGTERM)
