"""Pictures in folders and ZIP archives, read in a fixed order without unpacking."""

from __future__ import annotations

import copy
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from perturbations.data.listing import BoundedZip, ListingTooLong
from perturbations.errors import BadFaces
from perturbations.images import MAX_PIXELS, RgbArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FORMATS = ("JPEG", "PNG", "WEBP")
"""The kinds of pictures that are read, by content."""
MAX_MEMBERS = 500_000
MAX_FILE_BYTES = 25_000_000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other methods cannot be unpacked piece by piece: a whole member would be in memory first."""


@dataclass(frozen=True, slots=True)
class _Source:
    container: Path
    member: str | None  # None: the container is the picture itself


class FaceArchive:
    """A sequence of pictures from folders and ZIP files, sorted by name within each.

    Raises:
        BadFaces: a path does not exist, is neither a folder nor a ZIP, or nothing in it looks like a picture; a ZIP is
            compressed in an unusual way.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._sources: list[_Source] = []
        self._open: dict[Path, zipfile.ZipFile] = {}
        for path in paths:
            self._sources += self._list(path)
        if not self._sources:
            raise BadFaces(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, paths)) or 'nothing'}")

    def _list(self, path: Path) -> list[_Source]:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            return [_Source(p, None) for p in files]
        if not path.is_file():
            raise BadFaces(f"{path}: no such folder or ZIP file")
        try:
            archive = self._open[path] = BoundedZip(path, most=MAX_MEMBERS)
        except ListingTooLong as error:
            raise BadFaces(f"{path}: {error}") from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise BadFaces(f"{path}: not a folder and not a readable ZIP file") from error
        infos = sorted(archive.infolist(), key=lambda info: info.filename)
        pictures = [info for info in infos if Path(info.filename).suffix.lower() in SUFFIXES]
        if any(info.compress_type not in METHODS for info in pictures):
            raise BadFaces(f"{path}: unusual compression; pack it as a plain ZIP file (deflate)")
        return [_Source(path, info.filename) for info in pictures]

    def __len__(self) -> int:
        return len(self._sources)

    def only(self, indices: Sequence[int]) -> FaceArchive:
        """The pictures at ``indices``, in that order, of the same files.

        Raises:
            BadFaces: none is left.
        """
        if not indices:
            raise BadFaces("no pictures are left in this part of the archive")
        part = copy.copy(self)
        part._sources = [self._sources[index] for index in indices]  # noqa: SLF001 - of this very class
        return part

    def name(self, index: int) -> str:
        """File name of a picture, without its folder."""
        source = self._sources[index]
        return Path(source.member or source.container).name

    def read(self, index: int) -> bytes:
        """The picture's bytes.

        Raises:
            BadFaces: the file is larger than the limit, or the archive is damaged there.
        """
        source = self._sources[index]
        if source.member is None:
            if source.container.stat().st_size > MAX_FILE_BYTES:
                raise BadFaces(f"{source.container}: larger than {MAX_FILE_BYTES} bytes")
            return source.container.read_bytes()
        archive = self._open[source.container]
        size = archive.getinfo(source.member).file_size
        if size > MAX_FILE_BYTES:
            raise BadFaces(f"{source.container}: {source.member} is larger than {MAX_FILE_BYTES} bytes")
        try:
            with archive.open(source.member) as member:
                # asked for all, it would unpack far beyond the size that is listed, and cut only then
                return member.read(size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
            raise BadFaces(f"{source.container}: {source.member} is damaged: {error}") from error

    def rgb(self, index: int) -> RgbArray:
        """The picture as 8-bit RGB ``[H, W, 3]``.

        Raises:
            BadFaces: it cannot be decoded or is too large.
        """
        data = self.read(index)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height <= MAX_PIXELS:
                    return np.asarray(image.convert("RGB"))
        except Exception as error:  # decoders raise whatever occurs to them
            raise BadFaces(f"{self.name(index)}: not a readable picture: {error}") from error
        raise BadFaces(f"{self.name(index)}: more than {MAX_PIXELS} pixels")

    def square(self, index: int, size: int) -> RgbArray:
        """The centred square of a picture, ``[size, size, 3]``, bilinear and antialiased."""
        image = Image.fromarray(self.rgb(index))
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))


def open_faces(paths: Sequence[str | Path]) -> FaceArchive:
    """A :class:`FaceArchive` over ``paths``."""
    return FaceArchive([Path(p) for p in paths])
