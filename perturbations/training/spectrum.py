"""Which frequencies of luma and chroma a perturbation may use: those that no generator sees would only be visible.

Frequencies are counted in cycles per crop, whatever its size in pixels. Luma and chroma are JPEG's (ITU-T T.871).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

_TO_YCBCR: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
ROLL_OFF: Final = 0.15
"""The part of a limit's frequency over which the response falls from one to zero."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The band of luma, and the highest frequency of chroma. ``None`` means no limit.

    Raises:
        ValueError: a limit is negative, or the band is empty.
    """

    low: float = 0.0
    high: float | None = None
    chroma: float | None = None

    def __post_init__(self) -> None:
        if self.low < 0.0 or any(limit is not None and limit <= 0.0 for limit in (self.high, self.chroma)):
            raise ValueError("limits of a spectrum are positive cycles per crop")
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"a band from {self.low} to {self.high} cycles is empty")

    @property
    def everything(self) -> bool:
        """Whether nothing is taken away."""
        return self.low == 0.0 and self.high is None and self.chroma is None

    def filtered(self, delta: Tensor) -> Tensor:
        """``delta [B, 3, S, S]`` without frequencies outside the band; edges are treated as if δ were periodic."""
        if self.everything:
            return delta
        size = delta.shape[-1]
        matrix = torch.tensor(_TO_YCBCR, device=delta.device)
        planes = torch.fft.rfft2(torch.einsum("cd,bdhw->bchw", matrix, delta.float()))
        luma = _response(size, self.low, self.high)
        chroma = luma if self.chroma is None else _response(size, 0.0, self.chroma)
        kept = planes * torch.stack([luma, chroma, chroma]).to(delta.device)
        ycbcr = torch.fft.irfft2(kept, s=(size, size))
        return torch.einsum("cd,bdhw->bchw", torch.linalg.inv(matrix), ycbcr).to(delta.dtype)


@cache
def _response(size: int, low: float, high: float | None) -> Tensor:
    """``[S, S // 2 + 1]`` in [0, 1], by the distance from zero frequency, with soft edges."""
    vertical, horizontal = torch.fft.fftfreq(size) * size, torch.fft.rfftfreq(size) * size
    radius = (vertical[:, None].square() + horizontal[None, :].square()).sqrt()
    response = torch.ones_like(radius)
    if low > 0.0:
        response = response * _step(radius, low)
    if high is not None:
        response = response * (1.0 - _step(radius, high))
    return response


def _step(radius: Tensor, limit: float) -> Tensor:
    """From zero below ``limit`` to one above, over ``ROLL_OFF`` of it."""
    half = 0.5 * ROLL_OFF * limit
    return ((radius - limit + half) / (2 * half)).clamp(0.0, 1.0)
