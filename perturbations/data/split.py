"""Held-out faces of an archive, on which versions are compared."""

from __future__ import annotations

import hashlib
from typing import Final

from perturbations.data.archive import FaceArchive

HELD_OUT_SHARE: Final = 4
"""One picture of this many is held out, up to the most asked for."""


def split(archive: FaceArchive, *, most: int) -> tuple[FaceArchive, FaceArchive]:
    """``archive`` without the held-out pictures, and up to ``most`` of those.

    Which ones follows from the hashes of their names alone: every training on these faces holds out the same, whatever
    its seed, so no version is ever compared on faces that another one from the same archive was trained on.

    Raises:
        BadFaces: the archive is too small to leave something for both.
    """
    order = sorted(range(len(archive)), key=lambda i: hashlib.sha256(archive.name(i).encode()).digest())
    held_out = min(most, len(order) // HELD_OUT_SHARE)
    return archive.only(sorted(order[held_out:])), archive.only(order[:held_out])
