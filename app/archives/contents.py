"""What an archive of faces holds, and whether it may be kept."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from PIL import Image, UnidentifiedImageError

from app.archives.listing import TooLong, opened
from app.contracts.names import MAX_PIXELS
from app.contracts.problems import Unprocessable, UnsupportedMedia
from app.contracts.records.datasets import MIN_FACES

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
ARCHIVES: Final = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})
FORMATS: Final = ("JPEG", "PNG", "WEBP")
MAX_MEMBERS: Final = 100_000
MAX_MEMBER_BYTES: Final = 25_000_000
MAX_RATIO: Final = 200
"""Pictures are compressed already; a member that shrinks more than this is not a picture."""
MAX_GROWTH: Final = 4
"""All members together unpack to at most this many times the size an archive may have."""
MIN_SIDE: Final = 32

_ENCRYPTED: Final = 0x1
_KINDS: Final = (0, stat.S_IFREG, stat.S_IFDIR)
"""Types of members: unknown, files, folders."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other methods cannot be unpacked piece by piece: a whole member would be in memory first."""
_DAMAGE: Final = (
    zipfile.BadZipFile,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Contents:
    """faces: pictures that can be trained on. ignored: other files."""

    faces: int
    ignored: int


def check_archive(file: BinaryIO, *, max_bytes: int) -> Contents:
    """What the archive in ``file`` holds; every picture's header is read. max_bytes: the size an archive may have.

    Raises:
        UnsupportedMedia: it is not a ZIP file.
        Unprocessable: it is damaged, encrypted, nested or hostile, or holds too few faces.
    """
    try:
        with opened(file, most=MAX_MEMBERS) as archive:
            listed = archive.infolist()
            _check_listing(listed, size=file.seek(0, io.SEEK_END), max_bytes=max_bytes)
            members = [info for info in listed if not info.is_dir()]
            faces = sum(_is_face(archive, info) for info in members)
    except TooLong:
        raise Unprocessable(f"The archive lists too many files. The limit is {MAX_MEMBERS}.") from None
    except zipfile.BadZipFile:
        raise UnsupportedMedia(
            "This is not a readable ZIP file. Pack the pictures into one and send it again."
        ) from None
    except (OSError, ValueError, struct.error, NotImplementedError):
        raise Unprocessable("The listing of the ZIP file is damaged. Pack it again.") from None
    if faces < MIN_FACES:
        raise Unprocessable(
            f"The archive holds {faces} usable pictures (JPEG, PNG or WebP of at least {MIN_SIDE} pixels a side); "
            f"a training needs {MIN_FACES} or more."
        )
    return Contents(faces, len(members) - faces)


def _check_listing(members: list[zipfile.ZipInfo], *, size: int, max_bytes: int) -> None:
    """Refuse an archive whose listing alone shows that it is unusable."""
    names = {info.filename for info in members}
    if len(names) < len(members):
        raise Unprocessable("The archive has two files with the same name. Pack it again.")
    for info in members:
        _check_member(info)
    if sum(info.compress_size for info in members) > size:
        raise Unprocessable("The archive's files overlap. Pack it again.")
    if sum(info.file_size for info in members) > MAX_GROWTH * max_bytes:
        raise Unprocessable(f"The archive unpacks to more than {MAX_GROWTH * max_bytes / 1e6:g} MB.")


def _check_member(info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.filename)
    # zipfile cuts names at a NUL; the original tells
    if path.is_absolute() or ".." in path.parts or any(sign in info.orig_filename for sign in "\\:\0"):
        raise Unprocessable("The archive has a file name that leads outside it. Pack the pictures with plain names.")
    if stat.S_IFMT(info.external_attr >> 16) not in _KINDS:
        raise Unprocessable("The archive contains a link or a device. Pack the pictures themselves.")
    if info.flag_bits & _ENCRYPTED:
        raise Unprocessable("The archive is encrypted. Pack it without a password.")
    if info.compress_type not in _METHODS:
        raise Unprocessable("The archive uses an unusual compression. Pack it as a plain ZIP file (deflate).")
    if path.suffix.lower() in ARCHIVES:
        raise Unprocessable("The archive contains another archive. Pack the pictures themselves.")
    if info.file_size > MAX_RATIO * max(1, info.compress_size) and info.file_size > 1_000_000:
        raise Unprocessable("The archive has a file that unpacks to far more than its size. Pack only pictures.")


def _is_face(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Whether a member is a picture of an allowed kind and size, by its header."""
    if PurePosixPath(info.filename).suffix.lower() not in PICTURES or info.file_size > MAX_MEMBER_BYTES:
        return False
    try:
        with archive.open(info) as member:
            # asked for all, it would unpack far beyond the size that is listed, and cut only then
            data = member.read(info.file_size + 1)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return min(image.size) >= MIN_SIDE and image.width * image.height <= MAX_PIXELS
    except _DAMAGE:
        return False
