"""A located face, what locates faces, and which of several finds counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from perturbations.images import RgbArray

MAX_OVERLAP: Final = 0.3
"""Of two finds that share more than this part of the smaller one, the surer one stays."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its box in pixels of the picture, and how sure the locator is, in (0, 1); 1 if the caller gave the box.

    source: whether it was ``found`` or ``given``.
    """

    x: int
    y: int
    width: int
    height: int
    confidence: float
    source: Literal["found", "given"] = "found"

    def scaled(self, across: float, down: float) -> Face:
        """The face in a picture so many times as wide and as high."""
        return replace(
            self,
            x=round(self.x * across),
            y=round(self.y * down),
            width=round(self.width * across),
            height=round(self.height * down),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a search of a picture found, each the surest first.

    faces: none overlaps another. suspects: all places where there may be one, to be protected where there are no faces.
    """

    faces: tuple[Face, ...]
    suspects: tuple[Face, ...] = ()

    def scaled(self, across: float, down: float) -> Found:
        """What was found, in a picture so many times as wide and as high."""
        faces, suspects = (tuple(face.scaled(across, down) for face in some) for some in (self.faces, self.suspects))
        return Found(faces, suspects)


class Locate(Protocol):
    """What finds faces: :func:`perturbations.faces.locate`, with a model or without."""

    def __call__(self, image: RgbArray, *, reduction: float = 1.0) -> Found:
        """What is found in ``[H, W, 3]``, a photo or a copy of it reduced by that factor."""


def separate(faces: Iterable[Face]) -> list[Face]:
    """The surest of every group of faces that overlap, the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (-f.confidence, -f.width * f.height, f.y, f.x)):
        if not any(overlap(face, other) for other in kept):
            kept.append(face)
    return kept


def overlap(a: Face, b: Face) -> bool:
    """Whether two boxes share so much of the smaller one that they are of the same face."""
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(0, across) * max(0, down)
    return shared > MAX_OVERLAP * max(1, min(a.width * a.height, b.width * b.height))
