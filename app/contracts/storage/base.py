"""The protocol of a storage, and what a key is."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

_KEY: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,127}(?:/[a-z0-9_][a-z0-9._-]{0,127}){0,7}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies under a key. bytes: its size. modified: seconds since 1970."""

    key: str
    bytes: int
    modified: float


class Storage(Protocol):
    """Bytes by key. A value is seen whole or not at all, and is durable once ``put`` has returned.

    A key is up to eight segments of ``a-z0-9._-`` with slashes between them; none begins with a dot or a hyphen, and no
    key continues another (``a`` and ``a/b``). A prefix is whole segments, and ``""`` is that of every key.

    Every method raises ``ValueError`` for an invalid key, and ``OSError`` if the storage does not answer or is full.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` in place of what was there."""

    def put_file(self, key: str, path: Path) -> None:
        """Store the contents of a file, without holding them in memory."""

    def get(self, key: str) -> bytes:
        """The bytes. Raises ``FileNotFoundError`` if there are none."""

    def get_file(self, key: str, path: Path) -> None:
        """Write the bytes to a file, which appears whole or not at all. Raises ``FileNotFoundError`` as ``get``."""

    def exists(self, key: str) -> bool:
        """Whether there is something under ``key``."""

    def delete(self, key: str) -> None:
        """Remove what is under ``key``; a missing key is not an error."""

    def delete_all(self, prefix: str) -> None:
        """Remove everything below ``prefix``."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Everything below ``prefix``, in no order."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The next segments, each once, of keys below ``prefix`` that have more after them, in no order.

        If folders are real, one that was just emptied may be among them.
        """

    def clean(self, *, older_than: float) -> None:
        """Remove what writers that were killed at least ``older_than`` seconds ago have left half done."""

    def check(self) -> None:
        """Raise ``OSError`` if nothing can be written."""


def is_key(text: str) -> bool:
    """Whether ``text`` has the form of a key."""
    return _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """``key``, if it is one. Raises ``ValueError`` otherwise."""
    if not is_key(key):
        raise ValueError(
            "not a storage key: segments of a-z, 0-9, dot, hyphen and underscore with slashes between them"
        )
    return key


def folder_of(prefix: str) -> str:
    """``prefix`` with a slash behind it, or ``""``. Raises ``ValueError`` unless it consists of whole segments."""
    return checked(prefix.removesuffix("/")) + "/" if prefix else ""


@contextmanager
def replacing(path: Path, *, beside: Path | None = None) -> Iterator[IO[bytes]]:
    """A new file, for its owner alone, that takes the place of ``path``, flushed to disk, if the block ends well.

    beside: the folder it is written in, on the same file system; that of ``path`` by default.
    """
    partial = (beside or path.parent) / f".{path.name}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power failure."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make ``folder``, and those it lies in, for their owner alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _rename(partial: Path, path: Path) -> None:
    """Move a file into a folder that another process may remove at the same moment because it is empty."""
    for _ in range(10):
        with suppress(FileNotFoundError):
            make_folder(path.parent)
            partial.replace(path)
            return
    raise OSError("the folder a file belongs in is removed again and again")


def recorded(storage: Storage, folder: str) -> list[str]:
    """The names in ``folder`` that have a record, ``folder/NAME/record.json``, sorted."""
    keys = (entry.key for entry in storage.entries(f"{folder}/"))
    return sorted(key.split("/")[1] for key in keys if key.endswith("/record.json"))
