"""Keeps some disk space in reserve: a file that is released when the disk is full.

Redis then has space to record what is erased, and accepts writes again. Photos get none of it: the storage leaves more
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
"""A disk with less space than this is full."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """The file ``reserve`` of ``folder``. Every process of a machine looks after it; any of them may come first."""

    folder: Path

    def maintain(self) -> None:
        """Release it if the disk is full; create it if it is missing and leaves enough space."""
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
