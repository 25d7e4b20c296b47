"""A located face, what locates faces, and which of several finds counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

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


Locate = Callable[[RgbArray], list[Face]]
"""What finds the faces of ``[H, W, 3]``: :func:`perturbations.faces.locate`, with a model or without."""


def separate(faces: Iterable[Face]) -> list[Face]:
    """The surest of every group of faces that overlap, the surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (-f.confidence, -f.width * f.height, f.y, f.x)):
        if all(_overlap(face, other) <= MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: Face, b: Face) -> float:
    """Shared area over the smaller area."""
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(0, across) * max(0, down) / max(1, min(a.width * a.height, b.width * b.height))
