"""A worker's child process: it warms up, publishes what it works with, signs in, and sweeps from time to time."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

from redis import RedisError

from app.contracts import liveness, offers
from app.contracts.broker import connect
from app.contracts.jobs import Jobs
from app.contracts.logs import event
from app.contracts.names import QUEUE_PROTECT, QUEUE_TRAIN
from app.contracts.settings import settings
from app.contracts.trainings import Trainings
from worker import engine
from worker.hold import HOLD, LEASE
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
        jobs, trainings = Jobs(redis, settings()), Trainings(redis)
        sweeper = Sweeper.of_this_process(redis)
        while not self.over.is_set():
            try:
                liveness.beat(redis, name, self.queues)
                HOLD.renew(jobs)
                LEASE.renew(trainings)
                if sweeper.sweep_if_due(time.monotonic()):
                    _leave()
            except (RedisError, OSError) as error:
                event(_log, "worker.beat_failed", level=logging.WARNING, error=type(error).__name__)
            self.over.wait(liveness.BEAT_SECONDS)
        try:
            liveness.leave(redis, name, self.queues)
        except RedisError:
            event(_log, "worker.leave_failed", level=logging.WARNING)


def _leave() -> None:
    """Have the whole worker end, warmly, since Redis is another process than before.

    A Celery parent that lost its connection in the middle of an acknowledgement may look alive and take no message
    ever again. Whoever started it starts it again: the launcher, or the container's restart policy.
    """
    event(_log, "worker.leaves_after_redis_restart", level=logging.WARNING)
    os.kill(os.getppid(), signal.SIGTERM)


_duties: list[_Duty] = []


def start(queues: list[str]) -> None:
    """Get this process ready for ``queues``. One that cannot work does not sign in, so the service is not ready."""
    die_with_parent(os.getppid())
    if QUEUE_TRAIN in queues:
        os.nice(10)  # a training has all night
    elif QUEUE_PROTECT not in queues:
        os.nice(5)  # scores can wait, photos cannot
    if QUEUE_PROTECT not in queues:
        import torch  # noqa: PLC0415 - in children only, after the fork

        # threads of two processes that wait for one another's processors slow both down many times over
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    began = time.monotonic()
    try:
        if QUEUE_PROTECT in queues:
            # first of all: warming up takes the active version
            from worker import shipping  # noqa: PLC0415 - torch only in children

            shipping.ship(engine.versions())
            offers.publish(connect(settings()), engine.library().offers())
        if queues != [QUEUE_TRAIN]:  # a trainer loads what it needs when a training comes
            engine.warm_up(queues)
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
