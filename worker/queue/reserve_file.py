"""Room on the disk that is kept for the moment when there is no other: a file that is given up when the disk is full.

Redis then has room to record what is erased, and takes writes again. Photos get none of it: the storage leaves more
than that free (:data:`~app.contracts.storage.folder.FLOOR_BYTES`).
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.contracts.logs import event
from app.contracts.storage.base import replacing
from app.contracts.storage.folder import FLOOR_BYTES, RESERVE_BYTES

_log = logging.getLogger(__name__)

NAME: Final = "reserve"
FULL_BYTES: Final = 1 << 20
"""A disk with less room than this is full."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """The file ``reserve`` of ``folder``. Every process of a machine looks after it; any of them may come first."""

    folder: Path

    def maintain(self) -> None:
        """Give it up where the disk is full; make it where it is missing and leaves room enough."""
        free = shutil.disk_usage(self.folder).free
        path = self.folder / NAME
        if path.exists():
            if free < FULL_BYTES:
                path.unlink(missing_ok=True)
                event(_log, "disk.full", level=logging.ERROR, reserve="released")
        elif free > RESERVE_BYTES + FLOOR_BYTES:
            with replacing(path) as file:
                # nothing a file system could keep in less room
                file.write(os.urandom(RESERVE_BYTES))
            event(_log, "disk.reserve_made", bytes=RESERVE_BYTES)
