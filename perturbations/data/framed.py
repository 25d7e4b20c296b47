"""Faces as a generator's pipeline frames them: tight chips whole, other photos through the face locator."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np

from perturbations.data.archive import FaceArchive, open_faces
from perturbations.errors import BadFaces
from perturbations.faces import Locate, Region, crop_for, cut, frame, locate
from perturbations.images import RgbArray, resize, to_tensor, to_uint8

PROBE: Final = 24
"""Pictures examined to tell chips from photos."""
CHIP_COVERAGE: Final = 0.5
"""An archive whose faces cover, at the median, more than this part of their pictures holds chips."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A picture ``[H, W, 3]`` and the region in which its face is protected."""

    image: RgbArray
    region: Region

    def chip(self, size: int) -> RgbArray:
        """The region at ``[size, size, 3]``."""
        chip: RgbArray = to_uint8(resize(to_tensor(cut(self.image, self.region)), size))[0]
        return chip


class Faces(abc.ABC):
    """Framed pictures in a fixed order."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self, position: int) -> Framed:
        """The picture at a position.

        Raises:
            BadFaces: it cannot be decoded.
            IndexError: past the end.
        """

    def take(self, count: int, *, skip: int = 0, progress: Callable[[int, int], None] | None = None) -> list[Framed]:
        """Up to ``count`` readable pictures after the first ``skip`` positions; unreadable ones are skipped.

        Raises:
            BadFaces: none is readable.
        """
        return list(self.readable(count, skip=skip, progress=progress))

    def readable(
        self, count: int, *, skip: int = 0, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Framed]:
        """As ``take``, one after the other."""
        taken = 0
        for position in range(skip, len(self)):
            if taken == count:
                break
            try:
                found = self[position]
            except BadFaces:
                continue
            taken += 1
            if progress is not None:
                progress(taken, min(count, len(self) - skip))
            yield found
        if not taken:
            raise BadFaces("no readable face left in the archive")


class FramedFaces(Faces):
    """The pictures of an archive in a seeded order, each framed.

    Whether it holds chips or photos is decided once, for the whole archive: on tight chips the locator's occasional
    miss or false find must not frame some faces differently from the rest.

    locator: finds the faces of photos.
    """

    def __init__(self, archive: FaceArchive, *, seed: int = 0, locator: Locate = locate) -> None:
        self.archive = archive
        self._locator = locator
        self.order = [int(i) for i in np.random.default_rng(seed).permutation(len(archive))]
        self.chips = self._holds_chips()

    def _holds_chips(self) -> bool:
        coverage = []
        for index in self.order[:PROBE]:
            try:
                image = self.archive.rgb(index)
            except BadFaces:
                continue
            faces = self._locator(image).faces
            if faces:
                visible = crop_for(faces[0]).clipped(image.shape[1], image.shape[0])
                area = visible.width * visible.height if visible else 0
                coverage.append(area / (image.shape[0] * image.shape[1]))
        return not coverage or float(np.median(coverage)) > CHIP_COVERAGE

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> Framed:
        """The picture at a position of the seeded order; a photo without a found face is framed whole."""
        image = self.archive.rgb(self.order[position])
        faces = () if self.chips else self._locator(image).faces
        return Framed(image, crop_for(faces[0]) if faces else frame(image.shape[1], image.shape[0]))


class MixedFaces(Faces):
    """Several archives in turn, each framed for its content. All count the same until one is used up."""

    def __init__(self, parts: Sequence[FramedFaces]) -> None:
        self.parts = tuple(parts)
        rounds = zip_longest(*([(part, i) for i in range(len(part))] for part in self.parts))
        self.order = [place for places in rounds for place in places if place is not None]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> Framed:
        part, place = self.order[position]
        return part[place]


def framed_faces(paths: Sequence[str | Path], *, seed: int = 0, locator: Locate = locate) -> MixedFaces:
    """The pictures of folders and ZIP files, taken from each in turn.

    Raises:
        BadFaces: one of them holds no pictures.
    """
    return MixedFaces([FramedFaces(open_faces([path]), seed=seed, locator=locator) for path in paths])
