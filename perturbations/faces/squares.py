"""Squares around faces, in arrays: ``[N, 5]``, the centre's x and y, the side, how sure it is, and a trust.

The trust, from 0 to 1, says how much the place and the side count when several squares are merged.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SAME: Final = 0.4
"""Finds that overlap by more than this part of what they cover together are one face."""
Squares = npt.NDArray[np.float64]
"""How sure a square is, is a logit or the sum of several."""


def merged(squares: Squares) -> Squares:
    """One square for every group of squares of the same face, the surest first.

    It is their mean, weighted by how sure and how trusted they are. It is as sure as all of them together: cells beside
    each other, and copies, agree on a face more often than on what only looks like one.
    """
    left = squares[np.argsort(-squares[:, 3], kind="stable")]
    groups = []
    while len(left):
        same = likeness(left[0], left) > SAME
        same[0] = True
        group = left[same]
        weights = group[:, 4] / (1 + np.exp(-group[:, 3]))
        middle = np.average(group[:, :3], axis=0, weights=weights + 1e-9)
        groups.append([*middle, np.log(np.exp(group[:, 3]).sum()), weights.max()])
        left = left[~same]
    found = np.array(groups, dtype=np.float64).reshape(-1, 5)
    return found[np.argsort(-found[:, 3], kind="stable")]


def likeness(square: Squares, others: Squares) -> Squares:
    """The area that ``square`` and each of the others share, over their joint area."""
    across, down = (
        np.minimum(square[axis] + square[2] / 2, others[:, axis] + others[:, 2] / 2)
        - np.maximum(square[axis] - square[2] / 2, others[:, axis] - others[:, 2] / 2)
        for axis in (0, 1)
    )
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    ratio: Squares = shared / (square[2] ** 2 + others[:, 2] ** 2 - shared)
    return ratio
