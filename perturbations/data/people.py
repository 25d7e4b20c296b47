"""Pictures whose file names say who is in them, like Labeled Faces in the Wild: ``Name_Surname_0001.jpg``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from perturbations.data.archive import open_faces
from perturbations.data.framed import FramedFaces
from perturbations.errors import BadFaces
from perturbations.images import RgbArray

_NAMED: Final = re.compile(r"([^\W\d].*)_\d{4}\.\w+")


def person_of(name: str) -> str | None:
    """The person a file name says is in the picture, or ``None`` if it does not say."""
    found = _NAMED.fullmatch(name)
    return None if found is None else found[1]


class NamedFaces:
    """Faces of known people, framed as training chips are, 8 bits in memory.

    ``images`` is ``[N, size, size, 3]``; ``people`` holds a number for each, the same for the same person. Unreadable
    pictures, and those whose names say nothing, are skipped, so there may be none at all.

    Args:
        half: 0 or 1 takes every second person, so that an encoder and its twin share none; ``None`` takes all.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        size: int,
        half: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        chips: list[RgbArray] = []
        names: list[str] = []
        for path in paths:
            archive = open_faces([path])
            if not any(person_of(archive.name(index)) for index in range(len(archive))):
                continue
            framed = FramedFaces(archive)  # one archive at a time: chips or photos is decided for each
            for position, index in enumerate(framed.order):
                person = person_of(archive.name(index))
                if progress is not None:
                    progress(position + 1, len(framed))
                if person is None or not _belongs(person, half):
                    continue
                try:
                    chips.append(framed[position].chip(size))
                except BadFaces:
                    continue
                names.append(person)
        numbers = {person: number for number, person in enumerate(sorted(set(names)))}
        self.images = np.stack(chips) if chips else np.empty((0, size, size, 3), np.uint8)
        self.people = np.array([numbers[name] for name in names], np.int64)

    def __len__(self) -> int:
        return len(self.images)


def _belongs(person: str, half: int | None) -> bool:
    """Whether a person is in a half; by the letters of the name alone, so that two archives agree."""
    return half is None or sum(person.encode()) % 2 == half
