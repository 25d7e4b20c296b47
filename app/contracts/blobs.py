"""Where photos lie between the processes: a small protocol, and the folder that keeps it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Protocol

Kind = Literal["original", "protected"]

_JOB_ID: Final = re.compile(r"[0-9a-f]{32}")


class BlobStore(Protocol):
    """Photos by internal job id and kind. A blob is seen whole or not at all."""

    def write(self, job_id: str, kind: Kind, data: bytes) -> None:
        """Store ``data`` durably, in place of what was there."""

    def read(self, job_id: str, kind: Kind) -> bytes:
        """The bytes. Raises ``FileNotFoundError`` where there are none."""

    def erase(self, job_id: str, kind: Kind | None = None) -> None:
        """Remove one blob, or all of a job's; what is not there is no error."""

    def jobs(self, *, older_than: float) -> Iterator[str]:
        """Ids of jobs whose blobs were last changed at least ``older_than`` seconds ago."""

    def check(self) -> None:
        """Raise ``OSError`` where nothing can be written."""


class FolderBlobs:
    """Blobs in a folder, one sub-folder per job, readable by the owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, job_id: str, kind: Kind, data: bytes) -> None:
        """Write beside, flush to disk, rename: a reader never sees half a photo."""
        folder = self._folder(job_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        beside = folder / f".{kind}.{secrets.token_hex(8)}"
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(folder / kind)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(folder)
        _sync_folder(self._root)

    def read(self, job_id: str, kind: Kind) -> bytes:
        """The bytes; ``FileNotFoundError`` where there are none."""
        return (self._folder(job_id) / kind).read_bytes()

    def erase(self, job_id: str, kind: Kind | None = None) -> None:
        """Remove one blob, or the job's folder."""
        folder = self._folder(job_id)
        if kind is not None:
            (folder / kind).unlink(missing_ok=True)
            return
        # a late worker may write while the folder goes; the second round takes what it left
        for _ in range(2):
            shutil.rmtree(folder, ignore_errors=True)

    def jobs(self, *, older_than: float) -> Iterator[str]:
        """Ids of jobs whose folder was last changed at least ``older_than`` seconds ago."""
        newest = time.time() - older_than
        for folder in self._root.iterdir():
            with suppress(FileNotFoundError):
                if _JOB_ID.fullmatch(folder.name) and folder.stat().st_mtime <= newest:
                    yield folder.name

    def check(self) -> None:
        """Write and remove an empty file."""
        probe = self._root / f".probe.{secrets.token_hex(8)}"
        probe.touch(mode=0o600, exist_ok=False)
        probe.unlink()

    def _folder(self, job_id: str) -> Path:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError("not an internal job id")
        return self._root / job_id


def _sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power failure."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
