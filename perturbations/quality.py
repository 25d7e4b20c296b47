"""How visible a perturbation is: PSNR, SSIM, CIEDE2000 and the largest difference between two 8-bit pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from perturbations.colour_difference import colour_differences
from perturbations.faces.crop import Region
from perturbations.images import RgbArray
from perturbations.pattern import Floats

WINDOW: Final = 11
SIGMA: Final = 1.5
C1: Final = (0.01 * 255.0) ** 2
C2: Final = (0.03 * 255.0) ** 2
MAX_PSNR: Final = 100.0
"""Decibels reported for pictures that are (almost) identical, whose PSNR is infinite."""
SAMPLED: Final = 1 << 15
"""About how many pixels of a large region are compared: the rest would cost as much as decoding it and say the same."""
_STRIP: Final = 1 << 14
"""Pixels that are compared at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Quality:
    """psnr: decibels, at most ``MAX_PSNR``. ssim: [-1, 1], 1 is identical. max_abs_diff: steps of 255.

    delta_e, delta_e_p95: how different colours look, as CIEDE2000: the mean, and what 95 % of the pixels stay below.
    """

    psnr: float
    ssim: float
    max_abs_diff: int
    delta_e: float = 0.0
    delta_e_p95: float = 0.0


def measure(original: RgbArray, protected: RgbArray) -> Quality:
    """All figures for two pictures ``[H, W, 3]`` of one size.

    Raises:
        ValueError: the shapes differ.
    """
    _check(original, protected)
    seen = colour_differences(original, protected)
    return Quality(
        psnr=psnr(original, protected),
        ssim=ssim(original, protected),
        max_abs_diff=max_abs_diff(original, protected),
        delta_e=float(seen.mean()),
        delta_e_p95=float(np.percentile(seen, 95.0)),
    )


def worst(qualities: Iterable[Quality]) -> Quality:
    """The worst figure of each kind: what is reported for a picture with several regions."""
    every = list(qualities)
    return Quality(
        psnr=min(q.psnr for q in every),
        ssim=min(q.ssim for q in every),
        max_abs_diff=max(q.max_abs_diff for q in every),
        delta_e=max(q.delta_e for q in every),
        delta_e_p95=max(q.delta_e_p95 for q in every),
    )


def middle(region: Region) -> Region:
    """The part of a region that is measured: all of it or, of a large one, the middle."""
    shrink = math.sqrt(min(1.0, SAMPLED / (region.width * region.height)))
    width, height = max(1, round(shrink * region.width)), max(1, round(shrink * region.height))
    return Region(region.x + (region.width - width) // 2, region.y + (region.height - height) // 2, width, height)


def max_abs_diff(a: RgbArray, b: RgbArray) -> int:
    """Largest difference of any channel of any pixel, in steps of 255."""
    _check(a, b)
    return max(int(cv2.absdiff(x, y).max()) for x, y in _strips(a, b, overlap=0))


def psnr(a: RgbArray, b: RgbArray) -> float:
    """Peak signal-to-noise ratio in decibels, peak 255, at most ``MAX_PSNR``."""
    _check(a, b)
    mse = sum(cv2.norm(x, y, cv2.NORM_L2SQR) for x, y in _strips(a, b, overlap=0)) / a.size
    return MAX_PSNR if mse == 0.0 else min(MAX_PSNR, 10.0 * math.log10(255.0**2 / mse))


def ssim(a: RgbArray, b: RgbArray) -> float:
    """Structural similarity (Wang et al., 2004), mean over channels and over all places where the window fits.

    Gaussian window of 11 pixels, sigma 1.5, data range 255. A picture smaller than the window is mirrored up to it.
    """
    _check(a, b)
    total, count = 0.0, 0
    for x, y in _strips(_at_least_window(a), _at_least_window(b), overlap=WINDOW - 1):
        similarity = _ssim_map(x.astype(np.float32), y.astype(np.float32))
        total += float(similarity.sum(dtype=np.float64))
        count += similarity.size
    return total / count


def _ssim_map(x: Floats, y: Floats) -> Floats:
    """``[H, W, 3]`` twice to ``[H - 10, W - 10, 3]``."""
    # sums and differences, so that four blurs do instead of five; centred at 0, or float32 would lose the variances
    both, apart = x + y - 255.0, x - y
    mean, gap, squares, gaps = (_blurred(plane) for plane in (both, apart, both * both, apart * apart))
    squares -= mean * mean
    gaps -= gap * gap
    mean += 255.0
    mean *= mean
    gap *= gap
    # of both means: twice the product, and the sum of squares; of both variances: twice the covariance, and the sum
    luminance = (mean - gap + 2.0 * C1) / (mean + gap + 2.0 * C1)
    structure = (squares - gaps + 2.0 * C2) / (squares + gaps + 2.0 * C2)
    similarity: Floats = luminance * structure
    return similarity


def _blurred(plane: Floats) -> Floats:
    """Gaussian over the first two axes, only where the window fits."""
    reach = WINDOW // 2
    blurred = cv2.sepFilter2D(plane, cv2.CV_32F, _KERNEL, _KERNEL)
    return blurred[reach:-reach, reach:-reach].astype(np.float32, copy=False)


def _kernel() -> Floats:
    at = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-np.square(at) / (2.0 * SIGMA**2))
    normalised: Floats = (kernel / kernel.sum()).astype(np.float32)
    return normalised


_KERNEL: Final = _kernel()


def _at_least_window(image: RgbArray) -> RgbArray:
    missing = [max(0, WINDOW - side) for side in image.shape[:2]]
    if not any(missing):
        return image
    return np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def _strips(a: RgbArray, b: RgbArray, *, overlap: int) -> Iterator[tuple[RgbArray, RgbArray]]:
    """Bands of rows that together cover every window of ``overlap + 1`` rows exactly once."""
    rows = max(48, _STRIP // a.shape[1])
    for top in range(0, a.shape[0] - overlap, rows):
        yield a[top : top + rows + overlap], b[top : top + rows + overlap]


def _check(a: RgbArray, b: RgbArray) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.size == 0:
        raise ValueError(f"expected two pictures of one size, got {list(a.shape)} and {list(b.shape)}")
