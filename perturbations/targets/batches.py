"""How many pictures go through a network in one pass.

Small pictures are faster together, since a network's weights are then fetched once for all. Large ones are not: they
would only take more memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from torch import Tensor

PIXELS_AT_ONCE: Final = 2 * 128 * 128
"""Of all pictures in one pass, eight of 64x64. Full-size networks gain little or nothing beyond it."""


def fit(x: Tensor) -> int:
    """How many times the batch ``x [B, 3, H, W]`` fits into one pass; 0 if it does not."""
    return PIXELS_AT_ONCE // x[:, 0].numel()


def together(x: Tensor, edits: Sequence[str], make: Callable[[Sequence[str]], Tensor]) -> Iterator[Tensor]:
    """What ``make`` makes of ``x``, asked for as many edits at a time as fit into one pass, at least for one.

    Args:
        make: returns ``[len(edits) * B, 3, H, W]``, the whole batch for one edit after the other.
    """
    most = max(1, fit(x))
    for start in range(0, len(edits), most):
        some = edits[start : start + most]
        yield from make(some).chunk(len(some))
