"""Processes that end with their parent, and that give way to others."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

AUTOGROUP: Final = Path("/proc/self/autogroup")
_NAME: Final = Path("/proc/self/comm")


def die_with_parent(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send ``how`` to this process when ``parent``, which started it, ends for whatever reason.

    Only Linux can do this. Elsewhere nothing happens, and only an orderly exit of the parent ends the child.
    """
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(how), 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), how)


def call_this_process(name: str) -> None:
    """Have system tools show ``name``, up to 15 bytes, for this process and what it forks: ``ps -o comm``."""
    with suppress(OSError):
        _NAME.write_text(name)


def lower_priority(by: int) -> None:
    """Lower this process's priority by ``by`` steps of nice(2), so that what others do is hardly slowed down.

    Linux may share the processors out among sessions first, where a priority counts inside its own session only (see
    autogroup in sched(7)). So the session steps aside as well, if it was created for this process.
    """
    os.nice(by)
    if os.getsid(0) in (os.getpid(), os.getppid()):
        with suppress(OSError):  # not every system has it
            AUTOGROUP.write_text(str(by))


def run_when_idle() -> None:
    """Run only on idle processors; any other process takes them over at once.

    A low priority alone is not enough: work split into parts of milliseconds would wait that long for every part.
    """
    lower_priority(10)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
