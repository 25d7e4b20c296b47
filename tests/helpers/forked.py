"""Confined processes that start at once, for tests: forked from one that has loaded torch already.

They are processes of their own with the same limits as in the service (see worker.generators.confined). What is left
out is a new interpreter, and the two seconds of processor time in which it loads torch.
"""

from __future__ import annotations

import importlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from typing import Final

PRELOADED: Final = ["worker.generators.trial"]


class Forked:
    """As much of :class:`subprocess.Popen` as is needed."""

    def __init__(self, module: str) -> None:
        self.stdin = _Task(self)
        self._module = module
        self._process: ForkServerProcess | None = None

    def start(self, task: bytes) -> None:
        """Start with this task, as soon as it is known."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=_run, args=(self._module, task), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status once it has ended."""
        return self._process.exitcode if self._process is not None else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        assert self._process is not None
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._module, timeout or 0)
        return self._process.exitcode

    def kill(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()


class _Task(io.BytesIO):
    """Its standard input: it starts once that is closed."""

    def __init__(self, process: Forked) -> None:
        super().__init__()
        self._reader = process

    def close(self) -> None:
        if not self.closed:
            self._reader.start(self.getvalue())
        super().close()


def _run(module: str, task: bytes) -> None:
    """In the new process."""
    mine = {**json.loads(task), "parent": os.getppid()}
    sys.stdin = io.StringIO(json.dumps(mine))
    importlib.import_module(module).main()
