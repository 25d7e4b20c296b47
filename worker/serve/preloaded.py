"""What every worker of ``poise serve`` needs, imported once for all of them: see :mod:`worker.serve.forked`.

A processor takes three seconds for it. Nothing here may start a thread or touch a device: neither survives a fork.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress
from importlib import import_module
from typing import Final

from worker.serve.processes import call_this_process, die_with_parent

PROCESS: Final = os.getpid()
"""The process that workers are forked from."""
_OURS: Final = ("worker.queue.warm_up", "worker.training.trainer")
_FOUND_BY_NAME: Final = (
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "kombu.transport.redis",
)
"""By Celery, when a worker starts."""

die_with_parent(os.getppid())  # its workers would keep it, and it would keep them
for _number in (signal.SIGTERM, signal.SIGHUP):  # meant for a whole unit: the launcher stops the workers
    signal.signal(_number, signal.SIG_IGN)
with suppress(PermissionError):  # it leads a session already
    os.setsid()  # Ctrl-C reaches the launcher alone
gc.disable()  # looking for garbage takes a sixth of the time here, and what is found is a megabyte
for _module in (*_OURS, *_FOUND_BY_NAME):
    import_module(_module)
call_this_process("poise-workers")
gc.freeze()  # collecting garbage would copy every page that holds an object
gc.enable()
