"""``python -m worker.serve.parent_death PARENT SIGNAL COMMAND…``: become COMMAND, and get SIGNAL when PARENT ends."""

from __future__ import annotations

import os
import signal
import sys

from worker.serve.processes import die_with_parent


def main() -> None:
    """Arrange the signal, then become the command."""
    parent, how, *command = sys.argv[1:]
    die_with_parent(int(parent), signal.Signals(int(how)))
    os.execv(command[0], command)  # noqa: S606 - the launcher's own commands


if __name__ == "__main__":
    main()
