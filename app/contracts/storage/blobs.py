"""Photos and what is made of them, by internal job id and kind, on the storage."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from typing import Final, Literal, NewType

from app.contracts.storage import Storage

PreviewKind = NewType("PreviewKind", str)
"""A picture of what a generator makes of a photo; see :func:`preview_kind`."""
Kind = Literal["original", "protected"] | PreviewKind
Which = Literal["original", "protected"]

_ROOT: Final = "photos"
_JOB_ID: Final = re.compile(r"[0-9a-f]{32}")
_KIND: Final = re.compile(
    r"original|protected|previews/[a-z0-9_][a-z0-9._-]*/[a-z0-9_][a-z0-9._-]*/(?:original|protected)\.png"
)


def preview_kind(architecture: str, edit: str, which: Which) -> PreviewKind:
    """The kind under which the picture is kept that ``architecture`` makes with ``edit``, of original or copy.

    Raises:
        ValueError: not the name of a generator or an edit.
    """
    return PreviewKind(_checked(f"previews/{architecture}/{edit}/{which}.png"))


class Blobs:
    """The blobs of every job. A blob is seen whole or not at all.

    Every method raises ``ValueError`` for anything but an internal job id, and ``OSError`` if the storage fails.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def write(self, job_id: str, kind: Kind, data: bytes) -> None:
        """Store ``data`` durably, in place of what was there."""
        self._storage.put(_key(job_id, kind), data)

    def read(self, job_id: str, kind: Kind) -> bytes:
        """The bytes. Raises ``FileNotFoundError`` if there are none."""
        return self._storage.get(_key(job_id, kind))

    def erase(self, job_id: str, kind: Kind | None = None) -> None:
        """Remove one blob, or all of a job's; what is missing is not an error."""
        if kind is None:
            self._storage.delete_all(_folder(job_id))
        else:
            self._storage.delete(_key(job_id, kind))

    def kinds(self, job_id: str) -> set[str]:
        """The kinds of blobs a job has."""
        folder = _folder(job_id) + "/"
        return {entry.key.removeprefix(folder) for entry in self._storage.entries(folder)}

    def jobs(self) -> Iterator[str]:
        """Ids of all jobs that have blobs, or had some a moment ago."""
        return (name for name in self._storage.folders(_ROOT) if _JOB_ID.fullmatch(name))

    def unchanged(self, job_id: str, *, seconds: float) -> bool:
        """Whether a job has blobs, and none of them was changed in the last ``seconds``."""
        changed = max((entry.modified for entry in self._storage.entries(_folder(job_id))), default=math.inf)
        return changed <= time.time() - seconds

    def clean(self, *, older_than: float) -> None:
        """Remove what writers that were killed at least ``older_than`` seconds ago have left half done."""
        self._storage.clean(older_than=older_than)

    def check(self) -> None:
        """Raise ``OSError`` if nothing can be written."""
        self._storage.check()


def _folder(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise ValueError("not an internal job id")
    return f"{_ROOT}/{job_id}"


def _key(job_id: str, kind: str) -> str:
    return f"{_folder(job_id)}/{_checked(kind)}"


def _checked(kind: str) -> str:
    if not _KIND.fullmatch(kind):
        raise ValueError("not a kind of blob")
    return kind
