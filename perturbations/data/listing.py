"""Opens ZIP files with a limit on their listing: ``zipfile`` reads all of it at once, whatever the end record says."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

_ENTRY: Final = b"PK\x01\x02"
_ENTRY_BYTES: Final = 256
"""Of an entry with a long name and what tools add: the mean of a listing may be as much."""


class ListingTooLong(Exception):
    """A ZIP file lists more members than are read; the message says how many those are."""


class _Guarded(io.FileIO):
    """A file; while it is guarded, it gives out no listing of more than ``most`` members."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self.most: int | None = most

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes.

        Raises:
            ListingTooLong: they are too many, or list too many members.
        """
        if self.most is None:
            return super().read(size) or b""
        if size is not None and size > self.most * _ENTRY_BYTES:
            raise self._too_long(self.most)
        data = super().read(size) or b""
        if data.count(_ENTRY) > self.most:
            raise self._too_long(self.most)
        return data

    def _too_long(self, most: int) -> ListingTooLong:
        return ListingTooLong(f"lists too many files; at most {most} are read")


class BoundedZip(zipfile.ZipFile):
    """A ZIP file that is read, and lists at most ``most`` members.

    Raises:
        ListingTooLong: it lists more, or its listing has more bytes than so many need.
        zipfile.BadZipFile: it is not a ZIP file.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        self._guarded = _Guarded(path, most)
        try:
            super().__init__(self._guarded)
        except BaseException:
            self._guarded.close()
            raise
        self._guarded.most = None

    def close(self) -> None:
        """Close the file as well."""
        super().close()
        self._guarded.close()
