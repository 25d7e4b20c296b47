"""What a limited spectrum lets through."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from perturbations.training.spectrum import Spectrum


def wave(cycles: float, colour: tuple[float, float, float], size: int = 128) -> Tensor:
    phase = torch.arange(size) * (2 * math.pi * cycles / size)
    return torch.cos(phase).expand(1, 3, size, size) * torch.tensor(colour)[None, :, None, None]


GREY, CHROMA = (1.0, 1.0, 1.0), (1.0, -0.299 / 0.587, 0.0)


@pytest.mark.parametrize(
    ("cycles", "colour", "kept"),
    [(4, GREY, 0.0), (20, GREY, 1.0), (50, GREY, 0.0), (4, CHROMA, 1.0), (20, CHROMA, 0.0)],
)
def test_luma_has_a_band_and_chroma_a_limit(cycles: float, colour: tuple[float, float, float], kept: float) -> None:
    pattern = wave(cycles, colour)
    through = Spectrum(low=8.0, high=40.0, chroma=10.0).filtered(pattern)
    torch.testing.assert_close(through, kept * pattern, rtol=1e-3, atol=1e-3)


def test_filtering_twice_changes_little_and_nothing_grows() -> None:
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    band = Spectrum(low=4.0, high=16.0)
    once = band.filtered(noise)
    assert float(once.norm()) < float(noise.norm())
    assert float((band.filtered(once) - once).norm() / once.norm()) < 0.2


def test_without_limits_nothing_is_touched() -> None:
    noise = torch.randn(1, 3, 32, 32)
    assert Spectrum().filtered(noise) is noise


@pytest.mark.parametrize("limits", [(-1.0, None, None), (0.0, 0.0, None), (10.0, 5.0, None), (0.0, None, -2.0)])
def test_impossible_limits_are_refused(limits: tuple[float, float | None, float | None]) -> None:
    with pytest.raises(ValueError, match=r"cycles"):
        Spectrum(*limits)
