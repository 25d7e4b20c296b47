"""Processes that end when the one that started them does."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def die_with_parent(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send ``how`` to this process when ``parent``, which started it, ends for whatever reason.

    Linux knows this; elsewhere nothing happens, and only an orderly end of the parent ends the child.
    """
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(how), 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), how)
