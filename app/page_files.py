"""The files of the pages, read once and compressed once, so that a first visit is small and a second one is nothing."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parent / "static"

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served. Files of other kinds are not."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, plain and compressed. etags: of either; they change with the content."""

    media_type: str
    plain: bytes
    compressed: bytes
    plain_etag: str
    compressed_etag: str


def read_all(folder: Path = FOLDER) -> Mapping[str, PageFile]:
    """Every file of the pages, by its path within ``folder``, such as ``photos/queue.js``."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in _MEDIA_TYPES and path.is_file())
    return {path.relative_to(folder).as_posix(): _read(path) for path in found}


def _read(path: Path) -> PageFile:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:20]
    # no time stamp: every front end must answer the same
    packed = gzip.compress(data, 9, mtime=0)
    return PageFile(_MEDIA_TYPES[path.suffix], data, packed, f'"{digest}"', f'"{digest}-gzip"')
