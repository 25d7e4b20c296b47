"""Picture files for commands: which files of a folder count, and what they contain."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.contracts.file_kinds import READABLE, named
from perturbations.errors import BadImage

_READ: Final = (
    ".jpg .jpeg .jpe .jfif .jif .pjp .pjpeg .mpo .png .apng .webp .avif .avifs .gif .tif .tiff "
    ".heic .heics .heif .heifs .hif"
)
_NOT_READ: Final = (
    ".bmp .dib .jxl .jp2 .j2k .jpf .jpx .jls .jxr .wdp .bpg .qoi .psd "
    ".xcf .ppm .tga .exr .hdr "
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
    ".rwl .sr2 .srf .srw .x3f"
)
"""Kinds of photos that people have: in a folder, each of these is reported, not skipped."""
SUFFIXES: Final = frozenset(f"{_READ} {_NOT_READ}".split())
"""Suffixes of picture files."""
_STARTS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_HEAD: Final = 512
"""Bytes that identify a kind."""


def is_picture(path: Path) -> bool:
    """Whether a file in a folder is a picture: by its name, or by its content if the name does not say."""
    if path.name.startswith(".") or _is_no_file(path):
        return False
    return path.suffix.lower() in SUFFIXES or _looks_like_one(path)


def read_picture(path: Path) -> bytes:
    """All of a file that can be a picture Poise reads.

    Raises:
        BadImage: it is of another kind, which the message names.
        OSError: it cannot be read.
    """
    from perturbations.photo import KINDS  # noqa: PLC0415 - torch takes a second to import

    with path.open("rb") as file:
        head = file.read(_HEAD)
        what = named(head)
        if what is not None and what not in READABLE:
            raise BadImage(f"{what} cannot be read here; export it as {KINDS} and protect the new file")
        return head + file.read()


def _is_no_file(path: Path) -> bool:
    """Whether it is something else that is there: a pipe would be waited for."""
    try:
        return path.exists() and not path.is_file()
    except OSError:  # reading it will tell
        return False


def _looks_like_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    return head.startswith(_STARTS) or webp or (named(head) or "").endswith("photo")
