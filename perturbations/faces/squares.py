"""Squares around faces, in arrays: ``[N, 5]``, the centre's x and y, the side, how sure it is, and a trust.

The trust, from 0 to 1, says how much the place and the side count when several squares are merged.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

SAME: Final = 0.4
"""Finds that overlap by more than this part of what they cover together are one face."""
Squares = npt.NDArray[np.float64]
"""How sure a square is, is a logit or the sum of several."""


def merged(squares: Squares, least: float = -math.inf) -> Squares:
    """One square for every group of squares of the same face, the surest first.

    It is their mean, weighted by how sure and how trusted they are. It is as sure as all of them together: cells beside
    each other, and copies, agree on a face more often than on what only looks like one.

    Args:
        squares: what was found.
        least: groups that are less sure than this are left out.
    """
    left = squares[np.argsort(-squares[:, 3], kind="stable")]
    evidence = np.exp(left[:, 3])
    weights = left[:, 4] * evidence / (1 + evidence) + 1e-9
    # no group is surer than all that is left would be with as much evidence as its first square
    first = np.count_nonzero(left[:, 3] + np.log(max(1, len(left))) >= least)
    same = _alike(left[:first], left)
    free = np.ones(len(left), dtype=bool)
    groups = []
    for number in range(first):
        if free[number]:
            group = same[number] & free
            group[number] = True
            free ^= group
            sure = np.log(evidence[group].sum())
            if sure >= least:
                middle = weights[group] @ left[group, :3] / weights[group].sum()
                groups.append([*middle, sure, weights[group].max()])
    found = np.array(groups, dtype=np.float64).reshape(-1, 5)
    return found[np.argsort(-found[:, 3], kind="stable")]


def _alike(some: Squares, others: Squares) -> npt.NDArray[np.bool_]:
    """For each of ``some``, whether it and each of the others are one face, ``[some, others]``."""
    one, other = some[:, :3].astype(np.float32), others[:, :3].astype(np.float32)
    across, down = (
        np.minimum.outer(one[:, axis] + one[:, 2] / 2, other[:, axis] + other[:, 2] / 2)
        - np.maximum.outer(one[:, axis] - one[:, 2] / 2, other[:, axis] - other[:, 2] / 2)
        for axis in (0, 1)
    )
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    together = np.add.outer(one[:, 2] ** 2, other[:, 2] ** 2) - shared
    return np.asarray(shared > SAME * together)
