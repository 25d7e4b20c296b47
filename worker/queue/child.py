"""A worker's child process: it warms up, publishes what it works with, signs in, and sweeps from time to time."""

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
from typing import Final

from redis import RedisError

from app.contracts.logs import event
from app.contracts.names import QUEUE_LARGE, QUEUE_PROTECT, QUEUE_TRAIN
from app.contracts.records import shipped as offers
from app.contracts.records.jobs import Jobs
from app.contracts.records.trainings import Trainings
from app.contracts.redis import backlog, liveness
from app.contracts.redis.messages import connect
from app.contracts.settings import settings
from worker import engine
from worker.queue.leases import BUSY, HOLD, LEASE, STOPPING
from worker.queue.reserve_file import Reserve
from worker.queue.sweeper import Sweeper
from worker.serve.processes import die_with_parent, step_aside, take_what_is_left

_log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 3.0
"""Before a process that could not start tries again, or makes room for the next."""


@dataclass(slots=True)
class Duty:
    """The threads beside the tasks: looking through a large storage takes longer than any lease may wait."""

    queues: list[str]
    over: threading.Event = field(default_factory=threading.Event)

    def start_sweeping(self) -> None:
        """Before anything else: what a full disk keeps a process from getting ready for is erased all the same."""
        threading.Thread(target=self.sweep, name="sweep", daemon=True).start()

    def sign_in(self) -> None:
        """This process is warm."""
        threading.Thread(target=self.beat, name="beat", daemon=True).start()

    def beat(self) -> None:
        """Sign in and renew leases every few seconds."""
        redis = connect(settings())
        name = f"{socket.gethostname()}:{os.getpid()}"
        jobs, trainings = Jobs(redis, settings()), Trainings(redis)

        def once() -> None:
            liveness.beat(redis, name, self.queues)
            if BUSY.is_set():
                backlog.worked(redis, self.queues)
            HOLD.renew(jobs)
            LEASE.renew(trainings)

        self.repeat(once)
        try:
            liveness.leave(redis, name, self.queues)
        except RedisError:
            event(_log, "worker.leave_failed", level=logging.WARNING)

    def sweep(self) -> None:
        """Sweep, and publish what was registered meanwhile, when it is time."""
        redis = connect(settings())
        sweeper = Sweeper.of_this_process(redis)
        reserve = Reserve(settings().data_dir)

        def once() -> None:
            with suppress(OSError):  # a folder that takes no files: /readyz says so
                reserve.look()
            if sweeper.sweep_if_due(time.monotonic()):
                _leave()

        self.repeat(once)

    def repeat(self, once: Callable[[], None]) -> None:
        """Do it every few seconds until the process ends; Redis may come and go meanwhile."""
        while not self.over.is_set():
            try:
                once()
            except (RedisError, OSError) as error:
                event(_log, "worker.duty_failed", level=logging.WARNING, error=type(error).__name__)
            except Exception:  # noqa: BLE001 - a worker whose duties have ended works on, and counts as dead
                _log.exception("worker.duty_failed")
            self.over.wait(liveness.BEAT_SECONDS)


def _leave() -> None:
    """Have the whole worker end, warmly, since Redis is another process than before.

    A Celery parent that lost its connection in the middle of an acknowledgement may look alive and take no message
    ever again. Whoever started it starts it again: the launcher, or the container's restart policy.
    """
    event(_log, "worker.leaves_after_redis_restart", level=logging.WARNING)
    os.kill(os.getppid(), signal.SIGTERM)


_duties: list[Duty] = []


def start(queues: list[str]) -> None:
    """Get this process ready for ``queues``, however long Redis and the storage are away.

    A process that cannot work ends, and Celery starts the next one. Raising would not do: Celery logs what comes out of
    a signal's handler, and has the process take tasks all the same, with nobody to sign in and to renew leases.
    """
    die_with_parent(os.getppid())
    began = time.monotonic()
    duty = Duty(queues)
    try:
        _take_place(queues)
        duty.start_sweeping()
        _ready(queues)
    except Exception:  # noqa: BLE001 - whatever it is, it would be lost
        _log.exception("worker.cannot_start")
        time.sleep(_PAUSE_SECONDS)
        os._exit(1)
    event(_log, "worker.ready", queues=",".join(queues), seconds=round(time.monotonic() - began, 1))
    _duties.append(duty)
    duty.sign_in()


def _protects(queues: list[str]) -> bool:
    return QUEUE_PROTECT in queues or QUEUE_LARGE in queues


def _take_place(queues: list[str]) -> None:
    """Have only as much of the machine as is right for ``queues``."""
    if QUEUE_TRAIN in queues:
        take_what_is_left()  # a training has all night
    elif QUEUE_PROTECT not in queues:
        step_aside(5)  # scores and large photos can wait, others cannot
    if not _protects(queues) and not os.environ.get("OMP_NUM_THREADS"):  # whoever sets that has shared them out
        import torch  # noqa: PLC0415 - in children only, after the fork

        # threads of two processes that wait for one another's processors slow both down many times over
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))


def _ready(queues: list[str]) -> None:
    """Warm up, again and again until Redis and the storage answer."""
    while True:
        try:
            _warm(queues)
        except (RedisError, OSError) as error:
            if STOPPING.is_set():
                raise
            event(_log, "worker.cannot_start_yet", level=logging.WARNING, error=repr(error))
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _warm(queues: list[str]) -> None:
    """Load what tasks of ``queues`` need, publish what is on offer, and use it all once."""
    if _protects(queues):
        # first of all: warming up takes the active version
        from worker import shipped  # noqa: PLC0415 - torch only in children
        from worker.generators import older  # noqa: PLC0415 - torch only in children

        shipped.ship(engine.versions())
        older.move(settings().targets_dir, engine.generators())
        offers.publish(connect(settings()), engine.library().offers())
    if queues != [QUEUE_TRAIN]:  # a trainer loads what it needs when a training comes
        engine.warm_up(queues)


def stop() -> None:
    """Sign out."""
    for duty in _duties:
        duty.over.set()
