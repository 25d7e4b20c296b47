"""Where a photo is protected in which no face is found: a face that was missed should be protected too.

δ disturbs a generator that sees it where it was trained, over a face. Beside it little is left: with LFW faces anywhere
on a grid of tiles, half to nearly three times as large as the face, L2mask is 0.001 to 0.002 instead of 0.025. So the
places where the detector hesitates come first, each as a face of its own. Tiles of the size of a face fill the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from perturbations.faces.crop import Region

SMALL: Final = 384
"""A photo with a shorter side below this is one tile: what it shows, if it is a face, fills it."""
ALONG: Final = 4
"""Tiles along the shorter side, unless there were more than ``AT_MOST``."""
AT_MOST: Final = 64
"""Tiles in one picture."""


def tiles(width: int, height: int) -> tuple[Region, ...]:
    """Squares that cover a picture of that size, row by row; those at two edges may reach beyond them."""
    if min(width, height) < SMALL:
        return (Region(0, 0, width, height),)
    side = -(-min(width, height) // ALONG)
    while -(-width // side) * -(-height // side) > AT_MOST:
        side += -(-side // 16)
    left, top = (-(-(-length % side) // 2) for length in (width, height))
    return tuple(
        Region(int(x), int(y), side, side) for y in np.arange(-top, height, side) for x in np.arange(-left, width, side)
    )
