"""Sentences about the file of a copy, as opposed to what was protected in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from perturbations.protect import Source

MUCH_LARGER: Final = 1.5
"""A copy that is this many times as large as its photo says so."""
FEWER: Final = 8
"""Bits a colour of most copies."""
_LOSSY: Final = ("jpeg", "avif", "heic")
"""Formats of photos that a JPEG holds in much fewer bytes than a PNG."""
_NAMES: Final = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "avif": "AVIF",
    "heic": "HEIC",
    "gif": "GIF",
    "tiff": "TIFF",
}


def about_copy(
    source: Source, name: str, *, asked: str, size: int, bits: int, deep: bool, opaque: bool, hdr_lost: bool = False
) -> tuple[str, ...]:
    """Sentences for the person who sent the photo.

    Args:
        source: the photo.
        name: the format of the copy.
        asked: the format that was asked for.
        size: of the copy, in bytes.
        bits: of a colour of the photo.
        deep: whether a PNG keeps all of them where they are more than 8.
        opaque: whether nothing of it can be transparent.
        hdr_lost: whether the photo had a high dynamic range that the copy lacks.
    """
    said = []
    if asked == "keep" and name != source.format:
        said.append(f"The copy is a {_NAMES[name]}, because {_NAMES[source.format]} files are read but not written.")
    if bits > FEWER and not (deep and name == "png"):
        advice = " Only a PNG keeps them." if deep else ""
        said.append(f"The copy has {FEWER} bits a colour; the photo had {bits}.{advice}")
    if hdr_lost:
        said.append("The copy has lost the photo's high dynamic range (HDR), which only a PNG in colour keeps.")
    if size > MUCH_LARGER * source.bytes:
        smaller = name == "png" and opaque and source.format in _LOSSY
        advice = " A JPEG would be smaller." if smaller else ""
        said.append(f"The copy is {size / source.bytes:.1f} times as large as the photo.{advice}")
    return tuple(said)
