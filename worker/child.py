"""A worker's child process: it warms up, publishes what it works with, signs in, and sweeps from time to time."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field

from redis import Redis, RedisError

from app.contracts import liveness
from app.contracts.broker import connect
from app.contracts.jobs import Jobs
from app.contracts.logs import event
from app.contracts.names import QUEUE_PROTECT
from app.contracts.report import ActivePerturbation
from app.contracts.settings import settings
from worker import engine
from worker.hold import HOLD
from worker.processes import die_with_parent
from worker.sweeper import Sweeper

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Duty:
    """The thread beside the tasks."""

    queues: list[str]
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Sign in every few seconds and sweep when it is time; Redis may come and go meanwhile."""
        redis = connect(settings())
        name = f"{socket.gethostname()}:{os.getpid()}"
        jobs = Jobs(redis, settings())
        sweeper = Sweeper.of_this_process(redis)
        while not self.over.is_set():
            try:
                liveness.beat(redis, name, self.queues)
                HOLD.renew(jobs)
                sweeper.sweep_if_due(time.monotonic())
            except (RedisError, OSError) as error:
                event(_log, "worker.beat_failed", level=logging.WARNING, error=type(error).__name__)
            self.over.wait(liveness.BEAT_SECONDS)
        try:
            liveness.leave(redis, name, self.queues)
        except RedisError:
            event(_log, "worker.leave_failed", level=logging.WARNING)


_duties: list[_Duty] = []


def start(queues: list[str]) -> None:
    """Get this process ready for ``queues``. One that cannot work does not sign in, so the service is not ready."""
    die_with_parent(os.getppid())
    if QUEUE_PROTECT not in queues:
        os.nice(5)  # scores can wait, photos cannot
    began = time.monotonic()
    try:
        engine.warm_up(queues)
        if QUEUE_PROTECT in queues:
            publish(connect(settings()))
    except Exception:
        _log.exception("worker.cannot_start")
        raise
    event(_log, "worker.ready", queues=",".join(queues), seconds=round(time.monotonic() - began, 1))
    duty = _Duty(queues)
    _duties.append(duty)
    threading.Thread(target=duty.run, name="duty", daemon=True).start()


def stop() -> None:
    """Sign out."""
    for duty in _duties:
        duty.over.set()


def publish(redis: Redis) -> None:
    """Say in Redis which perturbation photos get: the front end cannot look for itself."""
    active = engine.perturbation()
    document = ActivePerturbation(
        version=active.version,
        epsilon=active.epsilon,
        effect=active.sidecar.get("effect"),
        quality=active.sidecar.get("quality"),
    )
    Jobs(redis, settings()).publish_active(document.model_dump_json())
