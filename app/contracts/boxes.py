"""Boxes of faces that a client sends along with its photo, in pixels of the upright photo."""

from __future__ import annotations

import json
from typing import Any, Final

from app.contracts.problems import Unprocessable

Box = tuple[int, int, int, int]
"""Left edge, top edge, width and height."""
MAX_BOXES: Final = 64
MAX_SIDE: Final = 1 << 20
"""No coordinate is larger, so that nothing has to compute with huge numbers."""
MAX_TEXT: Final = 4000
"""Characters of a form field that holds boxes."""
_FORM: Final = "Send `faces` as JSON, such as [[x, y, width, height]], in whole pixels of the upright photo."


def parse_boxes(text: str) -> tuple[Box, ...]:
    """The boxes of a form field.

    Raises:
        Unprocessable: it is not a list of boxes, has too many, or one of them is empty.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unprocessable(f"The field `faces` is not JSON. {_FORM}") from None
    if not isinstance(found, list):
        raise Unprocessable(f"The field `faces` is not a list. {_FORM}")
    if len(found) > MAX_BOXES:
        raise Unprocessable(f"The field `faces` has {len(found)} boxes; at most {MAX_BOXES} are allowed.")
    return tuple(_box(one, number) for number, one in enumerate(found, 1))


def check_inside(boxes: tuple[Box, ...], width: int, height: int) -> None:
    """Make sure that every box shows a part of a photo of that size, whichever way up it is.

    Raises:
        Unprocessable: one of them does not, or is larger than the photo.
    """
    longer = max(width, height)
    for number, (x, y, across, down) in enumerate(boxes, 1):
        upright = x < width and y < height
        lying = x < height and y < width
        if not (upright or lying) or x + across <= 0 or y + down <= 0:
            raise Unprocessable(f"Box {number} of `faces` lies outside the photo, which is {width}x{height} pixels.")
        if max(across, down) > longer:
            raise Unprocessable(f"Box {number} of `faces` is larger than the photo, which is {width}x{height} pixels.")


def _box(found: Any, number: int) -> Box:
    whole = isinstance(found, list) and all(type(value) is int for value in found)
    if not whole or len(found) != 4:
        raise Unprocessable(f"Box {number} of `faces` is not four whole numbers. {_FORM}")
    x, y, width, height = found
    if max(map(abs, found)) > MAX_SIDE:
        raise Unprocessable(f"Box {number} of `faces` has a number too large for any photo. {_FORM}")
    if width < 1 or height < 1:
        raise Unprocessable(f"Box {number} of `faces` is empty: its width and height must be at least 1.")
    return x, y, width, height
