"""A folder as storage: a file per key, readable by the owner alone."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from app.contracts.storage.base import Entry, checked, folder_of, is_key, make_folder, replacing, sync_folder

_PARTIAL: Final = ".partial"
"""Files are written here, outside every listing, and then moved to their place."""


RESERVE_BYTES: Final = 4 << 20
"""A file of this size in the data folder is given up when the disk is full; see ``worker.queue.reserve_file``."""
FLOOR_BYTES: Final = RESERVE_BYTES + (2 << 20)
"""Bytes the storage leaves free, so that it never takes the space that was given up."""


class FolderStorage:
    """Keys as paths below ``root``, which is created if missing. See :class:`~app.contracts.storage.Storage`.

    floor: bytes of the disk to leave free. A disk with no more than that counts as full.
    """

    def __init__(self, root: Path, *, floor: int = 0) -> None:
        self._root = root
        self._floor = floor
        self._partial = root / _PARTIAL
        make_folder(self._partial)
        root.chmod(0o700)

    def put(self, key: str, data: bytes) -> None:
        """Write beside, flush to disk, rename: a reader never sees half of it."""
        path = self._path(key)
        self._check_room(len(data))
        with replacing(path, beside=self._partial) as file:
            file.write(data)
        self._sync_above(path)

    def put_file(self, key: str, path: Path) -> None:
        """As ``put``, a piece at a time."""
        there = self._path(key)
        self._check_room(path.stat().st_size)
        with path.open("rb") as source, replacing(there, beside=self._partial) as file:
            shutil.copyfileobj(source, file, 1 << 20)
        self._sync_above(there)

    def get(self, key: str) -> bytes:
        """The bytes; ``FileNotFoundError`` if there are none."""
        with self._open(key) as file:
            return file.read()

    def get_file(self, key: str, path: Path) -> None:
        """A copy; ``FileNotFoundError`` if there is nothing."""
        with self._open(key) as source, replacing(path) as file:
            shutil.copyfileobj(source, file, 1 << 20)

    def exists(self, key: str) -> bool:
        """Whether there is a file."""
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """Remove the file, and the folders that are empty without it."""
        path = self._path(key)
        with suppress(NotADirectoryError, IsADirectoryError):
            path.unlink(missing_ok=True)
        for parent in path.relative_to(self._root).parents[:-1]:
            if not _remove_if_empty(self._root / parent):
                return

    def delete_all(self, prefix: str) -> None:
        """Remove the folder. A late writer may add files: the second round removes what the first has missed."""
        for _ in range(2):
            for parent, files in _walk(self._root / folder_of(prefix)):
                if parent == self._partial:
                    continue
                for name in files:
                    (parent / name).unlink(missing_ok=True)
                if parent != self._root:
                    _remove_if_empty(parent)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every file whose name is a key."""
        for parent, files in _walk(self._root / folder_of(prefix)):
            for name in files:
                path = parent / name
                key = path.relative_to(self._root).as_posix()
                if is_key(key):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        found = path.stat()
                        yield Entry(key, found.st_size, found.st_mtime)

    def folders(self, prefix: str) -> Iterator[str]:
        """Every folder whose name is that of a segment."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._root / folder_of(prefix)) as found:
            yield from (entry.name for entry in found if is_key(entry.name) and entry.is_dir(follow_symlinks=False))

    def clean(self, *, older_than: float) -> None:
        """Remove files that are no longer written to, and folders that never got a file."""
        newest = time.time() - older_than
        for folder, files in _walk(self._root):
            with suppress(FileNotFoundError):
                if folder == self._partial:
                    for path in (folder / name for name in files):
                        if path.stat().st_mtime <= newest:
                            path.unlink()
                elif folder != self._root and folder.stat().st_mtime <= newest:
                    _remove_if_empty(folder)

    def check(self) -> None:
        """Write and remove a file of one byte."""
        self._check_room(1)
        probe = self._partial / f".probe.{secrets.token_hex(8)}"
        try:
            probe.write_bytes(b"0")
        finally:
            probe.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _open(self, key: str) -> IO[bytes]:
        try:
            return self._path(key).open("rb")
        except (IsADirectoryError, NotADirectoryError) as error:
            raise FileNotFoundError(f"there is nothing under {key}") from error

    def _check_room(self, size: int) -> None:
        if self._floor and shutil.disk_usage(self._root).free < size + self._floor:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._root))

    def _sync_above(self, path: Path) -> None:
        """Folders may be new, and then their own names must survive as well."""
        for parent in path.relative_to(self._root).parents[1:]:
            sync_folder(self._root / parent)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder, innermost first, with the names of its files. Raises ``OSError`` for an unreadable one."""

    def wrong(error: OSError) -> None:
        # removed meanwhile, never there, or a file
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for parent, _, files in os.walk(folder, topdown=False, onerror=wrong):
        yield Path(parent), files


def _remove_if_empty(folder: Path) -> bool:
    """Remove the folder if it is empty. Returns whether it was removed."""
    with suppress(OSError):
        folder.rmdir()
        return True
    return False
