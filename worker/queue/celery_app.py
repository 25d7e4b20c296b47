"""The Celery application: ``celery -A worker.queue.celery_app worker -Q protect``.

Prefork: the parent only moves messages, each child loads torch for itself after the fork and signs in for its queues
once it is warm (:mod:`worker.queue.child`). What both work with comes from one :class:`~worker.process.Process`.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, Final

from celery import Celery, signals
from celery.platforms import SecurityWarning
from kombu.exceptions import OperationalError

from app.contracts.logs import set_up
from app.contracts.names import BESIDE
from app.contracts.redis.messages import celery_settings
from app.contracts.redis.metrics import sent_now
from app.contracts.settings import BadSettings, load_settings
from worker import process as root
from worker.queue import tasks
from worker.queue.child import Child
from worker.queue.queue_waits import record_wait

# the danger it warns of is unpickling messages, and ours are JSON
warnings.filterwarnings("ignore", category=SecurityWarning)

settings: Final = load_settings()
app: Final = Celery("poise")
app.conf.update(celery_settings(settings))


def send(task: str, argument: str) -> None:
    """Hand a task to its queue. Raises ``OSError`` if Redis cannot be reached; the sweeper sends it again."""
    try:
        app.send_task(task, args=[argument], headers=sent_now())
    except OperationalError as error:
        raise ConnectionError("the queue cannot be reached") from error


process: Final = root.Process(settings, send)
tasks.declare(app, process)
_children: Final[list[Child]] = []
"""This process as a child, once it is one."""


def _queues() -> list[str]:
    """The queues this worker was started for."""
    return [str(name) for name in app.amqp.queues.consume_from]


# connected strongly: these handlers are closures nobody else holds
@signals.setup_logging.connect(weak=False)
def _logging(**_: Any) -> None:
    set_up(settings.log_level, form=settings.log_format)


@signals.celeryd_after_setup.connect(weak=False)
def _takes_from_beside(**_: Any) -> None:
    for queue in _queues():
        if queue in BESIDE:
            app.amqp.queues.select_add(BESIDE[queue])


@signals.worker_init.connect(weak=False)
def _worker_starts(**_: Any) -> None:
    try:
        root.check(settings)
    except BadSettings as error:
        sys.exit(f"error: {error}")


@signals.worker_shutting_down.connect(weak=False)
def _worker_stops(**_: Any) -> None:
    process.activity.stopping.set()


@signals.worker_process_init.connect(weak=False)
def _child_starts(**_: Any) -> None:
    _children.append(Child(process, _queues()))
    _children[-1].start()


@signals.task_prerun.connect(weak=False)
def _task_starts(task: Any, **_: Any) -> None:
    process.activity.busy.set()
    record_wait(process.redis, process.recorder, task.request)


@signals.task_postrun.connect(weak=False)
def _task_ends(**_: Any) -> None:
    process.activity.busy.clear()


@signals.worker_process_shutdown.connect(weak=False)
def _child_stops(**_: Any) -> None:
    for child in _children:
        child.stop()
