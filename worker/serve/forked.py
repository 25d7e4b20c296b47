"""Workers forked from one process that has imported what they all need.

Each of the four workers of a service would import PyTorch for itself, and again whenever it is replaced. Python's fork
server does so once: workers start in a moment, and share that memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any, Final

from worker.serve.processes import call_this_process, die_with_parent

AVAILABLE: Final = sys.platform == "linux"
"""Elsewhere libraries of the system do not survive a fork."""
_context: Final = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start the process that workers are forked from, which then imports what they need."""
    _context.set_forkserver_preload(["worker.serve.preloaded"])
    forkserver.ensure_running()


def stop() -> None:
    """End the process that workers are forked from, and Python's helper of it, and wait for both.

    They would end a moment after the launcher anyway. But whoever stops a service may look whether all of it has gone.
    """
    # Python has no public way. They are killed because a worker's child that is still there would keep them alive
    source: Any = forkserver._forkserver  # noqa: SLF001
    helper: Any = resource_tracker._resource_tracker  # noqa: SLF001
    for keeper, pid in ((source, source._forkserver_pid), (helper, helper._pid)):  # noqa: SLF001
        if pid is not None:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                keeper._stop()  # noqa: SLF001


class Forked:
    """A running worker, with what the launcher uses of :class:`subprocess.Popen`.

    Args:
        name: what system tools call it, up to 15 bytes.
        celery: the arguments of the command ``celery``.
        environment: all of its environment.
        death_signal: what it gets when the process that it was forked from ends, as that does with the launcher.

    Raises:
        OSError: it could not be forked.
    """

    def __init__(
        self, name: str, celery: Sequence[str], environment: Mapping[str, str], death_signal: signal.Signals
    ) -> None:
        task = (name, list(celery), dict(environment), int(death_signal))
        self._process = _context.Process(target=_become_worker, args=task)
        try:
            self._process.start()
        except EOFError as error:
            raise ConnectionError("the process that workers are forked from has ended") from error

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        self._process.join(timeout)
        status = self.returncode
        if status is None:
            raise subprocess.TimeoutExpired("celery", timeout or 0.0)
        return status


def _become_worker(name: str, celery: list[str], environment: dict[str, str], death_signal: int) -> None:
    """In the new process: be the command ``celery``."""
    from worker.serve import preloaded  # noqa: PLC0415 - PyTorch, which the launcher must not load

    os.setsid()
    die_with_parent(preloaded.PROCESS, signal.Signals(death_signal))
    launcher = multiprocessing.parent_process()
    if launcher is None or not launcher.is_alive():  # it ended before the process in between could notice
        return
    for number in (signal.SIGTERM, signal.SIGHUP):  # the process it comes from ignores them
        signal.signal(number, signal.SIG_DFL)
    call_this_process(name)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["celery", *celery]
    from celery.__main__ import main  # noqa: PLC0415 - the launcher has no use for it

    main()
