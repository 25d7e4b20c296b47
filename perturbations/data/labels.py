"""Labels in the file names of UTKFace: ``age_gender_race_date.jpg``; gender 0 is male, 1 female."""

from __future__ import annotations

from typing import Final, NamedTuple

ATTRIBUTES: Final = ("man", "old")
"""The binary attributes the surrogates edit, in the order of their label vectors."""
OLD_FROM: Final = 45
ADULT_FROM: Final = 9
"""Faces of small children are left out: gender cannot be read off them."""


class UtkLabel(NamedTuple):
    """What the name says."""

    age: int
    man: bool

    @property
    def old(self) -> bool:
        return self.age >= OLD_FROM

    @property
    def vector(self) -> tuple[float, float]:
        """In the order of :data:`ATTRIBUTES`, 0 or 1."""
        return float(self.man), float(self.old)


def utk_label(name: str) -> UtkLabel | None:
    """The label in a file name, or ``None`` if it has none (a few names of the set are malformed)."""
    parts = name.split("_")
    if len(parts) < 3 or not parts[0].isdigit() or parts[1] not in ("0", "1"):
        return None
    return UtkLabel(age=int(parts[0]), man=parts[1] == "0")
