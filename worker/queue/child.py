"""A worker's child process: it takes its share of the machine, warms up, and signs in."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from redis import RedisError

from app.contracts.logs import event
from app.contracts.names import QUEUE_LARGE, QUEUE_PROTECT, QUEUE_TRAIN, Priority
from worker.process import Process
from worker.queue.duties import Duties
from worker.serve.processes import die_with_parent, lower_priority, run_when_idle

_log = logging.getLogger(__name__)

_TRAINS: Final[dict[Priority, Callable[[], None]]] = {
    "idle": run_when_idle,  # a training has all night
    "low": lambda: lower_priority(10),
    "normal": lambda: None,
}
_PAUSE_SECONDS: Final = 3.0
"""Pause before a process that could not start tries again, or ends for the next."""


class Child:
    """This process, as a child that serves ``queues``."""

    def __init__(self, process: Process, queues: list[str]) -> None:
        self._process = process
        self._queues = queues
        self._duties: Duties | None = None

    def start(self) -> None:
        """Get ready for the queues, however long Redis and the storage are unavailable.

        A process that cannot work exits, and Celery starts the next one. Raising is not enough: Celery logs errors of
        signal handlers and lets the process take tasks all the same, but nothing would sign it in or renew leases.
        """
        die_with_parent(os.getppid())
        began = time.monotonic()
        try:
            _take_share(self._queues, self._process.settings.training_priority)
            duties = self._process.duties(self._queues)
            duties.start_sweeping()
            self._prepare()
        except Exception:  # noqa: BLE001 - whatever it is, it would be lost
            _log.exception("worker.cannot_start")
            time.sleep(_PAUSE_SECONDS)
            os._exit(1)
        event(_log, "worker.ready", queues=",".join(self._queues), seconds=round(time.monotonic() - began, 1))
        self._duties = duties
        duties.sign_in()

    def stop(self) -> None:
        """Sign out."""
        if self._duties is not None:
            self._duties.over.set()

    def _prepare(self) -> None:
        """Warm up, again and again until Redis and the storage answer."""
        while True:
            try:
                return self._process.prepare(self._queues)
            except (RedisError, OSError) as error:
                if self._process.activity.stopping.is_set():
                    raise
                event(_log, "worker.cannot_start_yet", level=logging.WARNING, error=repr(error))
                time.sleep(_PAUSE_SECONDS)


def _take_share(queues: list[str], training: Priority) -> None:
    """Limit the process to its share of the machine for ``queues``."""
    if QUEUE_TRAIN in queues:
        _TRAINS[training]()
    elif QUEUE_PROTECT not in queues:
        lower_priority(5)  # scores and large photos can wait, others cannot
    protects = QUEUE_PROTECT in queues or QUEUE_LARGE in queues
    if not protects and not os.environ.get("OMP_NUM_THREADS"):  # if set, the administrator has shared them out
        import torch  # noqa: PLC0415 - in children only, after the fork

        # threads of two processes that wait for one another's processors slow both down many times over
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
