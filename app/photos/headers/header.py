"""A header, and the error for a file without a usable one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels, as stored, and whether there is more than one frame."""

    width: int
    height: int
    animated: bool = False


class Unreadable(ValueError):
    """No decoder reads this. The message is a sentence that names the reason."""


def damaged() -> Unreadable:
    """The header is cut off, or no header."""
    return Unreadable("The header of the file is damaged.")
