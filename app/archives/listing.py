"""Opens ZIP files with a limit on their listing: ``zipfile`` reads all of it at once, whatever the end record claims.

Asked for more bytes than a listing may have, the file refuses before it reads any; it counts the entries in those it
has read. So no claim needs to be trusted, and nothing is parsed in a different way than ``zipfile`` parses it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

_ENTRY: Final = b"PK\x01\x02"
_ENTRY_BYTES: Final = 256
"""Of an entry with a long name and what tools add: the mean of a listing may be as much."""


class TooLong(Exception):
    """An archive lists too many files."""


class _Guarded(io.RawIOBase):
    """A file; while it is guarded, it gives out no listing of more than ``most`` entries."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self.guarded = True

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            TooLong: they are too many, or entries of a listing that are too many.
        """
        if not self.guarded:
            return self._file.read(size)
        if size > self._most * _ENTRY_BYTES:
            raise TooLong
        data = self._file.read(size)
        if data.count(_ENTRY) > self._most:
            raise TooLong
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next bytes are."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True


@contextmanager
def opened(file: BinaryIO, *, most: int) -> Iterator[zipfile.ZipFile]:
    """The archive in ``file``, which lists at most ``most`` files.

    Raises:
        TooLong: it lists more, or its listing has more bytes than so many need.
        zipfile.BadZipFile: it is not a ZIP file.
    """
    guarded = _Guarded(file, most)
    with zipfile.ZipFile(guarded) as archive:
        guarded.guarded = False
        yield archive
