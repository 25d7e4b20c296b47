"""The Celery application: ``celery -A worker.queue.celery_app worker -Q protect``.

Prefork: the parent only moves messages, each child loads torch for itself after the fork and signs in for its queues
once it is warm (:mod:`worker.queue.child`).
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

from celery import Celery, signals
from celery.platforms import SecurityWarning

from app.contracts.logs import set_up
from app.contracts.names import BESIDE
from app.contracts.redis.messages import celery_settings, refuse_cluster
from app.contracts.settings import BadSettings, settings
from app.contracts.storage import storage_of
from worker.queue import child
from worker.queue.leases import BUSY, STOPPING
from worker.queue.recorder import record_wait

# the danger it warns of is unpickling messages, and ours are JSON
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("poise", include=["worker.queue.tasks"])
app.conf.update(celery_settings(settings()))


def _queues() -> list[str]:
    """The queues this worker was started for."""
    return [str(name) for name in app.amqp.queues.consume_from]


# connected strongly: these handlers are closures nobody else holds
@signals.setup_logging.connect(weak=False)
def _logging(**_: Any) -> None:
    set_up(settings().log_level, form=settings().log_format)


@signals.celeryd_after_setup.connect(weak=False)
def _takes_from_beside(**_: Any) -> None:
    for queue in _queues():
        if queue in BESIDE:
            app.amqp.queues.select_add(BESIDE[queue])


@signals.worker_init.connect(weak=False)
def _worker_starts(**_: Any) -> None:
    try:
        refuse_cluster(settings())
        storage_of(settings())
    except BadSettings as error:
        sys.exit(f"error: {error}")


@signals.worker_shutting_down.connect(weak=False)
def _worker_stops(**_: Any) -> None:
    STOPPING.set()


@signals.worker_process_init.connect(weak=False)
def _child_starts(**_: Any) -> None:
    child.start(_queues())


@signals.task_prerun.connect(weak=False)
def _task_starts(task: Any, **_: Any) -> None:
    BUSY.set()
    record_wait(task.request)


@signals.task_postrun.connect(weak=False)
def _task_ends(**_: Any) -> None:
    BUSY.clear()


@signals.worker_process_shutdown.connect(weak=False)
def _child_stops(**_: Any) -> None:
    child.stop()
