"""Random numbers of a training: each kind has its own stream, which follows from seed and step alone."""

from __future__ import annotations

from enum import IntEnum

import torch


class Stream(IntEnum):
    """What the numbers are for. The values are primes, so that the streams of small seeds and steps do not meet."""

    batch = 1_000_003
    edits = 7_919
    augmentation = 15_485_863
    noise = 32_452_843
    judge = 104_729


def stream(kind: Stream, seed: int, step: int = 0) -> torch.Generator:
    """The numbers of a kind in one step, on the CPU."""
    return torch.Generator().manual_seed(seed * int(kind) + step)
