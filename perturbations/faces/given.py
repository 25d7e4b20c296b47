"""Faces whose boxes the caller gives, so that nothing has to be found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from perturbations.errors import BadInput
from perturbations.faces.crop import crop_for
from perturbations.faces.face import Face

MOST: Final = 64
"""Boxes of one photo."""
LEAST_SIDE: Final = 8
"""Pixels: in a smaller box there is no face to protect."""


def given(boxes: Sequence[Sequence[float]], width: int, height: int) -> tuple[Face, ...]:
    """The faces in ``boxes``, each ``(x, y, width, height)`` in pixels of an upright photo of that size.

    A box should reach from the forehead to the chin. It may reach outside the photo.

    Raises:
        BadInput: there is no box or there are too many; a box is no box, is too small, or lies outside the photo.
    """
    if not 1 <= len(boxes) <= MOST:
        raise BadInput(f"{len(boxes)} boxes of faces were given; give 1 to {MOST}, or none so that faces are found")
    return tuple(_face(number, box, width, height) for number, box in enumerate(boxes, start=1))


def _face(number: int, box: Sequence[float], width: int, height: int) -> Face:
    if len(box) != 4 or not all(_is_whole(value) for value in box):
        raise BadInput(f"box {number} is {list(box)}; a box is [x, y, width, height] in whole pixels of the photo")
    x, y, across, down = (int(value) for value in box)
    if min(across, down) < LEAST_SIDE:
        raise BadInput(f"box {number} is {across}x{down} pixels; a face needs at least {LEAST_SIDE}x{LEAST_SIDE}")
    if max(across, down) > 2 * max(width, height):
        raise BadInput(f"box {number} is {across}x{down} pixels, more than twice the photo, which has {width}x{height}")
    face = Face(x, y, across, down, confidence=1.0, source="given")
    inside = -across < x < width and -down < y < height
    if not inside or crop_for(face).clipped(width, height) is None:
        raise BadInput(
            f"box {number}, {[x, y, across, down]}, lies outside the photo, which has {width}x{height} pixels "
            "once it is upright"
        )
    return face


def _is_whole(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
