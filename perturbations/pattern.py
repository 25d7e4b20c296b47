"""A perturbation made ready to be added: in steps of 255, at the size of any face."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from perturbations.artifact import SHAPE, Perturbation
from perturbations.bounds import STEPS_PER_UNIT, Linf, rms
from perturbations.images import resize
from perturbations.luminance import luminance
from perturbations.strength import WHOLE, Strength, band_of

Floats = npt.NDArray[np.float32]

SEEN_AT: Final = 64
"""A generator's resolution, at which a shrunk δ should look like the original one."""
ROUNDS: Final = 2
"""Of back-projection. The damped inverse makes two as good as some twenty without it; more gain little."""
RELAXATION: Final = 1.5
"""Factor of a round's correction, which rounding and the bound shorten."""
DAMPING: Final = 0.08
"""What detail that a generator hardly sees is not amplified beyond."""
LONGEST: Final = 1024
"""Longest side, in pixels, at which anything is put back: strips are not faces."""
AT_ONCE: Final = 1 << 21
"""Pixels of a region up to which all of its pattern is made at once; that takes 12 bytes a pixel."""
_KEPT: Final = 16
"""Sizes that are kept, since the same ones recur. One takes less than a megabyte."""
MOST_GAIN: Final = 4.0
"""What is left of δ on a face too small for its detail is amplified by no more: fainter is a filter's leakage."""
_BELOW_NEXT: Final = 0.499
"""What may be added to the largest whole step so that it is still rounded to that one."""


class Pattern:
    """``small`` and ``large``, both ``[1, C, H, W]``, in steps of 255, as fractions of them; see :func:`resize_delta`.

    small: what is added where it shrinks. large: what is added elsewhere. whole: all detail of δ, for faces of fewer
    pixels than ``SEEN_AT``. They cannot hold fine detail, so what is left there is amplified.
    """

    def __init__(self, small: Tensor, large: Tensor, whole: Tensor, epsilon: float) -> None:
        self._small, self._large, self._whole = small, large, whole
        self._epsilon = epsilon
        self._kept = lru_cache(_KEPT)(self._resized)

    def at(self, height: int, width: int) -> Sized:
        """It at another size. What is larger than δ is enlarged as it is read."""
        shrinks = _shrinks(self._small, height, width)
        fitting = self._small if shrinks else self._large
        delta = fitting if min(height, width) >= SEEN_AT else self._whole
        made = (height, width) if shrinks else (min(height, delta.shape[2]), min(width, delta.shape[3]))
        return Sized(self._kept(delta, *made), height, width)

    def forget(self) -> None:
        """Drop the sizes that are kept."""
        self._kept.cache_clear()

    def _resized(self, delta: Tensor, height: int, width: int) -> Floats:
        resized = resize_delta(delta, (height, width), self._epsilon)
        if min(height, width) <= SEEN_AT:
            resized = _amplified(resized, rms(delta), Linf(self._epsilon))
        most = Linf(self._epsilon).steps + _BELOW_NEXT
        # [1, C, height, width] -> [height, width, C]
        steps = resized[0].permute(1, 2, 0).mul(STEPS_PER_UNIT).clamp(-most, most)
        return np.ascontiguousarray(steps.numpy(), dtype=np.float32)


class Sized:
    """A pattern at its final ``height`` and ``width``. What is much larger than δ is made a few rows at a time."""

    def __init__(self, steps: Floats, height: int, width: int) -> None:
        self.height, self.width = height, width
        size = (width, height if height * width <= AT_ONCE else steps.shape[0])
        if steps.shape[:2] != size[::-1]:
            steps = cv2.resize(steps, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        self._steps = steps.reshape(steps.shape[0], width, -1)
        self.channels = self._steps.shape[2]

    def rows(self, top: int, bottom: int) -> Floats:
        """Rows ``top`` to ``bottom``, a new array ``[rows, width, C]``."""
        rows = self._steps.shape[0]
        if rows == self.height:
            return self._steps[top:bottom].copy()
        at = ((np.arange(top, bottom) + 0.5) * (rows / self.height) - 0.5).clip(0, rows - 1)
        above = at.astype(np.int64)
        below = (above + 1).clip(max=rows - 1)
        share = (at - above).astype(np.float32)[:, None, None]
        between: Floats = self._steps[below]
        first = self._steps[above]
        between -= first
        between *= share
        between += first
        return between


def held(height: int, width: int) -> int:
    """About how many pixels a :class:`Sized` of that size holds."""
    return width * (height if height * width <= AT_ONCE else min(height, SHAPE[2]))


_Key = tuple[bool, Strength | None]
_patterns: WeakKeyDictionary[Perturbation, dict[_Key, Pattern]] = WeakKeyDictionary()


def pattern(perturbation: Perturbation, strength: Strength | None, *, grey: bool) -> Pattern:
    """The pattern of a perturbation, made when first asked for; for a grey photo it has one channel."""
    made = _patterns.setdefault(perturbation, {})
    if (grey, strength) not in made:
        small, large = (added(perturbation, strength, grey=grey, large=large) for large in (False, True))
        whole = added(perturbation, None, grey=grey)
        if strength is not None:
            whole = WHOLE[strength].of(whole, perturbation.epsilon, large=False)
        made[grey, strength] = Pattern(small, large, whole, perturbation.epsilon)
    return made[grey, strength]


def forget(perturbation: Perturbation) -> None:
    """Drop the pattern of a perturbation at every size, so that the next one is made anew."""
    for made in _patterns.get(perturbation, {}).values():
        made.forget()


def added(perturbation: Perturbation, strength: Strength | None, *, grey: bool, large: bool = False) -> Tensor:
    """What is added of δ at this strength, all of it at none: ``[1, C, 256, 256]``, with one channel if ``grey``.

    large: to faces on which it does not shrink.
    """
    delta = luminance(perturbation) if grey else perturbation.delta
    if strength is None:
        return delta
    return band_of(strength, perturbation.sidecar).of(delta, perturbation.epsilon, large=large, grey=grey)


def resize_delta(delta: Tensor, size: int | tuple[int, int], epsilon: float) -> Tensor:
    """``delta [B, C, H, W]`` at another size (a side, or height and width), inside the bound.

    Bilinear, antialiased when it shrinks, then projected. A generator resizes the photo once more, to its own
    resolution, and two filters in a row blur away most of δ on a small face. So when δ shrinks, what is lost at
    ``SEEN_AT`` is put back as far as the bound allows: iterative back-projection (Irani and Peleg, CVGIP 1991), with
    the projection onto the bound in every round. What rounding to whole steps will change counts as lost.
    """
    height, width = (size, size) if isinstance(size, int) else size
    bound = Linf(epsilon)
    resized = bound.project(resize(delta, size))
    if not _shrinks(delta, height, width):
        return resized
    wanted = resize(delta, SEEN_AT)
    (down, down_back), (across, across_back) = _seen(height), _seen(width)
    for _ in range(ROUNDS):
        lost = wanted - down @ (_steps(resized, bound) / STEPS_PER_UNIT) @ across.T
        resized = bound.project(resized + RELAXATION * (down_back @ lost @ across_back.T))
    return resized


def _amplified(resized: Tensor, size: Tensor, bound: Linf) -> Tensor:
    """``resized`` with a root mean square of ``size``, as far as ``MOST_GAIN`` and the bound allow."""
    gain = (size / rms(resized).clamp_min(1e-9)).clamp(1.0, MOST_GAIN)
    return bound.project(resized * gain)


@lru_cache(64)
def _seen(side: int) -> tuple[Tensor, Tensor]:
    """What shrinks ``side`` pixels to ``SEEN_AT``, ``[SEEN_AT, side]``, and a damped inverse of it."""
    shrink = resize(torch.eye(side)[None, None], (SEEN_AT, side))[0, 0]
    square = shrink @ shrink.T
    square.diagonal().add_(DAMPING * float(square.diagonal().mean()))
    return shrink, torch.linalg.solve(square, shrink).T.contiguous()


def _shrinks(delta: Tensor, height: int, width: int) -> bool:
    """Whether ``delta`` loses something at that size that can be put back."""
    enlarged = height >= delta.shape[-2] and width >= delta.shape[-1]
    return not enlarged and min(height, width) > SEEN_AT and max(height, width) <= LONGEST


def _steps(delta: Tensor, bound: Linf) -> Tensor:
    """``delta`` of any shape, in units of the range [-1, 1], in the nearest whole steps of 255 inside the bound."""
    return (delta * STEPS_PER_UNIT).round_().clamp_(-bound.steps, bound.steps)
