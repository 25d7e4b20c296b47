"""What every worker of ``poise serve`` needs, imported once for all of them: see :mod:`worker.serve.forked`.

A processor takes three seconds for it. Nothing here may start a thread or touch a device: neither survives a fork.
"""

from __future__ import annotations

import gc
import signal
from importlib import import_module
from typing import Final

from worker.serve.processes import call_this_process

_OURS: Final = ("worker.queue.warm_up", "worker.training.trainer")
_FOUND_BY_NAME: Final = (
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "kombu.transport.redis",
)
"""By Celery, when a worker starts."""

for _module in (*_OURS, *_FOUND_BY_NAME):
    import_module(_module)
for _number in (signal.SIGTERM, signal.SIGHUP):  # meant for a whole terminal or unit: the launcher stops the workers
    signal.signal(_number, signal.SIG_IGN)
call_this_process("poise-workers")
gc.freeze()  # collecting garbage would copy every page that holds an object
