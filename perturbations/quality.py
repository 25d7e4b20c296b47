"""How visible a perturbation is: PSNR, SSIM and the largest difference between two 8-bit pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perturbations.images import RgbArray

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255.0) ** 2
C2 = (0.03 * 255.0) ** 2
MAX_PSNR = 100.0
"""Decibels reported for pictures that are (almost) identical, whose PSNR is infinite."""
SSIM_PIXELS = 4_000_000
"""About how many pixels of a large picture SSIM is taken over: the rest would cost seconds and say the same."""
_STRIP = 1 << 16
"""Pixels that are compared at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Quality:
    """psnr: decibels, at most ``MAX_PSNR``. ssim: [-1, 1], 1 is identical. max_abs_diff: steps of 255."""

    psnr: float
    ssim: float
    max_abs_diff: int


def measure(original: RgbArray, protected: RgbArray) -> Quality:
    """All three for two pictures ``[H, W, 3]`` of one size.

    Raises:
        ValueError: the shapes differ.
    """
    return Quality(psnr(original, protected), ssim(original, protected), max_abs_diff(original, protected))


def worst(qualities: Iterable[Quality]) -> Quality:
    """The worst figure of each kind: what is reported for a picture with several regions."""
    every = list(qualities)
    return Quality(
        psnr=min(q.psnr for q in every),
        ssim=min(q.ssim for q in every),
        max_abs_diff=max(q.max_abs_diff for q in every),
    )


def max_abs_diff(a: RgbArray, b: RgbArray) -> int:
    """Largest difference of any channel of any pixel, in steps of 255."""
    _check(a, b)
    return max(int(np.abs(x.astype(np.int16) - y).max()) for x, y in _strips(a, b, overlap=0))


def psnr(a: RgbArray, b: RgbArray) -> float:
    """Peak signal-to-noise ratio in decibels, peak 255, at most ``MAX_PSNR``."""
    _check(a, b)
    squares = sum(float(np.square(x.astype(np.float32) - y).sum(dtype=np.float64)) for x, y in _strips(a, b, overlap=0))
    mse = squares / a.size
    return MAX_PSNR if mse == 0.0 else min(MAX_PSNR, 10.0 * math.log10(255.0**2 / mse))


def ssim(a: RgbArray, b: RgbArray) -> float:
    """Structural similarity (Wang et al., 2004), mean over channels and over all places where the window fits.

    Gaussian window of 11 pixels, sigma 1.5, data range 255. A picture smaller than the window is mirrored up to it; of
    one larger than ``SSIM_PIXELS`` evenly spaced bands of rows are compared.
    """
    _check(a, b)
    total, count = 0.0, 0
    every = math.ceil(a.shape[0] * a.shape[1] / SSIM_PIXELS)
    strips = _strips(_at_least_window(a), _at_least_window(b), overlap=WINDOW - 1)
    for x, y in itertools.islice(strips, 0, None, every):
        similarity = _ssim_map(_planes(x), _planes(y))
        total += float(similarity.sum(dtype=torch.float64))
        count += similarity.numel()
    return total / count


def _ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """``[3, H, W]`` twice to ``[3, H - 10, W - 10]``."""
    # values are centred at 0, so that float32 does not lose the variances; means are put back where SSIM needs them
    mx, my, xx, yy, xy = _blur(torch.stack((x, y, x * x, y * y, x * y)))
    vx, vy, covariance = xx - mx * mx, yy - my * my, xy - mx * my
    mx, my = mx + 127.5, my + 127.5
    luminance: Tensor = (2.0 * mx * my + C1) / (mx * mx + my * my + C1)
    structure: Tensor = (2.0 * covariance + C2) / (vx + vy + C2)
    return luminance * structure


def _blur(x: Tensor) -> Tensor:
    """Separable Gaussian over the last two axes, only where the window fits.

    Eleven shifted sums per axis: on one core several times as fast as a convolution with a single channel.
    """
    at = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-np.square(at) / (2.0 * SIGMA**2))
    kernel /= kernel.sum()
    for axis in (-1, -2):
        size = x.shape[axis] - WINDOW + 1
        y = x.narrow(axis, 0, size) * float(kernel[0])
        for shift in range(1, WINDOW):
            y.add_(x.narrow(axis, shift, size), alpha=float(kernel[shift]))
        x = y
    return x


def _planes(image: RgbArray) -> Tensor:
    """``[H, W, 3]`` to ``[3, H, W]`` centred at 0."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().sub_(127.5)


def _at_least_window(image: RgbArray) -> RgbArray:
    missing = [max(0, WINDOW - side) for side in image.shape[:2]]
    if not any(missing):
        return image
    return np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def _strips(a: RgbArray, b: RgbArray, *, overlap: int) -> Iterable[tuple[RgbArray, RgbArray]]:
    """Bands of rows that together cover every window of ``overlap + 1`` rows exactly once."""
    rows = max(64, _STRIP // a.shape[1])
    for top in range(0, a.shape[0] - overlap, rows):
        yield a[top : top + rows + overlap], b[top : top + rows + overlap]


def _check(a: RgbArray, b: RgbArray) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.size == 0:
        raise ValueError(f"expected two pictures of one size, got {list(a.shape)} and {list(b.shape)}")
