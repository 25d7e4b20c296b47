"""Add a perturbation to a picture, in 8-bit steps, so that what is delivered keeps the bound exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from torch import Tensor

from perturbations.bounds import STEPS_PER_UNIT, Linf
from perturbations.faces.crop import Region
from perturbations.images import RgbArray, resize

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation


SEEN_AT: Final = 64
"""The resolution of our generators, at which a shrunk δ is to look as it does unshrunk."""
ROUNDS: Final = 50
RELAXATION: Final = 1.9
"""Of a round's correction: over-relaxed, fewer rounds do; at 2 it would not settle."""


def resize_delta(delta: Tensor, size: int | tuple[int, int], epsilon: float) -> Tensor:
    """``delta [B, C, H, W]`` at another size (a side, or height and width), inside the bound.

    Bilinear, antialiased where it shrinks, then projected. A generator resizes the photo once more, to its own
    resolution, and two filters in a row blur most of a δ away where a face is small. So where it shrinks, what is lost
    at ``SEEN_AT`` is put back as far as the bound allows: iterative back-projection (Irani and Peleg, CVGIP 1991), with
    the projection onto the bound in every round. What rounding to whole steps will take counts as lost.
    """
    bound = Linf(epsilon)
    resized = bound.project(resize(delta, size))
    height, width = resized.shape[-2:]
    enlarged = height >= delta.shape[-2] and width >= delta.shape[-1]
    if enlarged or min(height, width) <= SEEN_AT:
        return resized
    wanted = resize(delta, SEEN_AT)
    for _ in range(ROUNDS):
        lost = wanted - resize(_steps(resized, bound) / STEPS_PER_UNIT, SEEN_AT)
        resized = bound.project(resized + RELAXATION * resize(lost, (height, width)))
    return resized


def perturb(image: RgbArray, regions: Sequence[Region], perturbation: Perturbation) -> RgbArray:
    """``image [H, W, 3]`` with the perturbation resized to each region and added there.

    Steps are rounded toward zero: with epsilon 0.05 no channel changes by more than 6 of 255. Outside the regions not
    one bit changes; where regions overlap the largest one has it (of two equal ones the first), so the bound holds
    there too. A region may reach outside the picture: the visible part of it is added.
    """
    height, width = image.shape[:2]
    result = image.copy()
    bound = Linf(perturbation.epsilon)
    # the smallest first, so that the largest is written last; every write starts from the original
    order = sorted(range(len(regions)), key=lambda i: (regions[i].width * regions[i].height, -i))
    for region in (regions[i] for i in order):
        visible = region.clipped(width, height)
        if visible is None:
            continue
        rows = slice(visible.y, visible.y + visible.height)
        columns = slice(visible.x, visible.x + visible.width)
        within = np.s_[
            visible.y - region.y : visible.y - region.y + visible.height,
            visible.x - region.x : visible.x - region.x + visible.width,
        ]
        for channel in range(3):  # one at a time: three float planes of a whole large picture need not exist at once
            plane = resize_delta(
                perturbation.delta[:, channel : channel + 1], (region.height, region.width), bound.epsilon
            )
            steps = _steps(plane, bound)[0, 0].cpu().numpy().astype(np.int16)
            changed = image[rows, columns, channel].astype(np.int16) + steps[within]
            result[rows, columns, channel] = changed.clip(0, 255).astype(np.uint8)
    return result


def _steps(delta: Tensor, bound: Linf) -> Tensor:
    """``delta`` of any shape, in units of the range [-1, 1], in whole steps of 255, rounded toward zero."""
    scaled = delta.detach().float().mul(STEPS_PER_UNIT)
    # a value meant to be a whole step may lie a float below it
    return scaled.abs().add_(1e-4).floor_().clamp_(max=bound.steps).mul_(scaled.sign())
