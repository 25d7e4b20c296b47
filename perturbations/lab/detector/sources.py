"""The pictures scenes are composed of: aligned face chips, photos of one known face, and pictures without faces."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from perturbations.images import RgbArray

CHIP: Final = 64
"""Chips are kept at this side."""
CLOSE: Final = 160
"""Some of them also at this one, as pictures in which no face has the right size."""
PHOTO: Final = 1000
"""Pictures without faces are kept at this longer side."""
FACE_CENTRE: Final = (125.0, 136.0)
"""Where the face's square is centred in a picture of Labeled Faces in the Wild, which has 250 × 250 pixels."""
FACE_SIDE: Final = 115.0
"""And its side: medians of the squares that the cascade's finds lead to."""
LEVELS: Final = 3
"""Every such picture is kept at 1, 1/2 and 1/4 of its size, so that a reduction does not alias."""
PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Sources:
    """chips: ``[N, 64, 64, 3]``. close: chips at a larger size. people: photos of one face each, at several sizes.
    empty: photos without faces, likewise.
    """

    chips: Sequence[RgbArray]
    close: Sequence[RgbArray]
    people: Sequence[Sequence[RgbArray]]
    empty: Sequence[Sequence[RgbArray]]


def load(chips: Iterable[Path], people: Iterable[Path], empty: Iterable[Path], *, most: int, seed: int) -> Sources:
    """Read everything into memory; of the chips at most ``most``, of every group in their names as many as possible."""
    generator = np.random.default_rng(seed)
    drawn = _balanced([(path, name) for path in chips for name in _names(path)], most, generator)
    small, close = [], []
    for number, (path, name) in enumerate(sorted(drawn, key=str)):
        chip = _picture(path, name)
        small.append(cv2.resize(chip, (CHIP, CHIP), interpolation=cv2.INTER_AREA).astype(np.uint8))
        if number % 10 == 0:
            close.append(cv2.resize(chip, (CLOSE, CLOSE), interpolation=cv2.INTER_AREA).astype(np.uint8))
    return Sources(
        chips=small,
        close=close,
        people=[_levels(_picture(path, name)) for path in people for name in _names(path)],
        empty=[_levels(_empty(path)) for path in _files(empty)],
    )


def _balanced(
    names: Sequence[tuple[Path, str]], most: int, generator: np.random.Generator
) -> Sequence[tuple[Path, str]]:
    """At most ``most``, taken from the groups in turn; the third part of a name is its group."""
    groups: dict[str, list[tuple[Path, str]]] = {}
    for place in generator.permutation(len(names)):
        parts = Path(names[place][1]).name.split("_")
        groups.setdefault(parts[2] if len(parts) == 4 else "", []).append(names[place])
    taken: list[tuple[Path, str]] = []
    while len(taken) < most and any(groups.values()):
        taken += [members.pop() for members in groups.values() if members]
    return taken[:most]


def _names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return sorted(n for n in file.namelist() if n.lower().endswith(PICTURES))


def _files(folders: Iterable[Path]) -> list[Path]:
    return sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in PICTURES)


_opened = cache(zipfile.ZipFile)


def _picture(archive: Path, name: str) -> RgbArray:
    return np.asarray(Image.open(io.BytesIO(_opened(archive).read(name))).convert("RGB"))


def _empty(path: Path) -> RgbArray:
    with Image.open(path) as picture:
        picture.draft("RGB", (PHOTO, PHOTO))
        small = picture.convert("RGB")
        small.thumbnail((PHOTO, PHOTO), reducing_gap=2.0)
        return np.asarray(small)


def _levels(picture: RgbArray) -> list[RgbArray]:
    levels = [picture]
    for _ in range(LEVELS - 1):
        levels.append(cv2.pyrDown(levels[-1]).astype(np.uint8))
    return levels
