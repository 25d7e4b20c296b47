"""Faces whose boxes the caller gives, so that nothing has to be found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from perturbations.errors import BadImage
from perturbations.faces.crop import crop_for
from perturbations.faces.face import Face

MOST: Final = 64
"""Boxes of one photo."""
Box = tuple[int, int, int, int]
"""Left edge, top edge, width and height of a face, in pixels of the upright photo."""


def given(boxes: Sequence[Box], width: int, height: int) -> tuple[Face, ...]:
    """The faces in ``boxes``, each ``(x, y, width, height)`` in pixels of an upright photo of that size.

    A box should reach from the forehead to the chin. It may reach outside the photo. No box means no face.

    Raises:
        BadImage: there are too many; a box is no box, is empty, or lies outside the photo.
    """
    if len(boxes) > MOST:
        raise BadImage(f"{len(boxes)} boxes of faces were given; give at most {MOST}")
    return tuple(_face(number, box, width, height) for number, box in enumerate(boxes, start=1))


def _face(number: int, box: Sequence[object], width: int, height: int) -> Face:
    whole = [value for value in box if isinstance(value, int) and not isinstance(value, bool)]
    if len(box) != 4 or len(whole) != 4:
        raise BadImage(f"box {number} is {list(box)}; a box is [x, y, width, height] in whole pixels of the photo")
    x, y, across, down = whole
    if min(across, down) < 1:
        raise BadImage(f"box {number} is empty: its width is {across} and its height {down}; both must be at least 1")
    if max(across, down) > 2 * max(width, height):
        raise BadImage(f"box {number} is {across}x{down} pixels, more than twice the photo, which has {width}x{height}")
    face = Face(x, y, across, down, confidence=1.0, source="given")
    inside = -across < x < width and -down < y < height
    if not inside or crop_for(face).clipped(width, height) is None:
        raise BadImage(
            f"box {number}, {[x, y, across, down]}, lies outside the photo, which has {width}x{height} pixels "
            "once it is upright"
        )
    return face
