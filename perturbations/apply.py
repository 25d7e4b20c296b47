"""Adds a perturbation to a picture in 8-bit steps, so that the delivered copy keeps the bound exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from perturbations.bounds import STEPS_PER_UNIT, Linf
from perturbations.faces.crop import Region
from perturbations.images import RgbArray, resize
from perturbations.luminance import luminance
from perturbations.photo.bands import bands, is_grey

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation

SEEN_AT: Final = 64
"""A generator's resolution, at which a shrunk δ should look like the original one."""
ROUNDS: Final = 50
RELAXATION: Final = 1.9
"""Factor of a round's correction. Over-relaxed, fewer rounds suffice; at 2 it would not converge."""
LONGEST: Final = 1024
"""Longest side, in pixels, at which anything is put back: strips are not faces, and long ones would take minutes."""
_BAND: Final = 1 << 16
"""Pixels that δ is added to at a time: few enough to stay in the processor's cache."""


def resize_delta(delta: Tensor, size: int | tuple[int, int], epsilon: float) -> Tensor:
    """``delta [B, C, H, W]`` at another size (a side, or height and width), inside the bound.

    Bilinear, antialiased when it shrinks, then projected. A generator resizes the photo once more, to its own
    resolution, and two filters in a row blur away most of δ on a small face. So when δ shrinks, what is lost at
    ``SEEN_AT`` is put back as far as the bound allows: iterative back-projection (Irani and Peleg, CVGIP 1991), with
    the projection onto the bound in every round. What rounding to whole steps will take counts as lost.
    """
    bound = Linf(epsilon)
    resized = bound.project(resize(delta, size))
    height, width = resized.shape[-2:]
    if not _shrinks(delta, height, width):
        return resized
    wanted = resize(delta, SEEN_AT)
    for _ in range(ROUNDS):
        lost = wanted - resize(_steps(resized, bound) / STEPS_PER_UNIT, SEEN_AT)
        resized = bound.project(resized + RELAXATION * resize(lost, (height, width)))
    return resized


class Steps:
    """``delta [1, C, H, W]`` as :func:`resize_delta` makes it, in whole steps of 255, a band of rows at a time."""

    def __init__(self, delta: Tensor, size: tuple[int, int], epsilon: float) -> None:
        self.height, self.width = size
        self._bound = Linf(epsilon)
        # what shrinks does so here, once; what is enlarged is enlarged band by band
        smaller = (min(self.height, delta.shape[-2]), min(self.width, delta.shape[-1]))
        at = size if _shrinks(delta, *size) else smaller
        self._delta = resize_delta(delta, at, epsilon) if at == size else resize(delta, at)

    def rows(self, top: int, bottom: int) -> npt.NDArray[np.int16]:
        """Rows ``top`` to ``bottom``, ``[rows, width, C]``."""
        band = resize(self._between(top, bottom), (bottom - top, self.width))
        # [1, C, rows, width] -> [rows, width, C]
        steps = _steps(self._bound.project(band), self._bound)[0].permute(1, 2, 0)
        return steps.cpu().numpy().astype(np.int16)

    def _between(self, top: int, bottom: int) -> Tensor:
        """δ at the rows of a band, each between the two of its own rows that are nearest, but not yet as wide."""
        rows = self._delta.shape[-2]
        if rows == self.height:
            return self._delta[:, :, top:bottom]
        at = (np.arange(top, bottom) + 0.5) * (rows / self.height) - 0.5
        at = at.clip(0, rows - 1)
        above = at.astype(np.int64)
        below = (above + 1).clip(max=rows - 1)
        share = self._delta.new_tensor(at - above)[:, None]
        return self._delta[:, :, above].lerp(self._delta[:, :, below], share)


def perturb(image: RgbArray, regions: Sequence[Region], perturbation: Perturbation) -> RgbArray:
    """``image [H, W, 3]`` with the perturbation resized to each region and added there; see :func:`add`."""
    result = image.copy()
    add(result, regions, perturbation)
    return result


def add(image: RgbArray, regions: Sequence[Region], perturbation: Perturbation, *, kept: Sequence[Region] = ()) -> None:
    """Change ``image [H, W, 3]`` itself: add the perturbation, resized to each region, there.

    Steps are rounded toward zero: with epsilon 0.05 no channel changes by more than 6 of 255. Nothing changes outside
    the regions or inside ``kept``. Where regions overlap, only the largest one counts (of two equal ones the first), so
    the bound holds there too. A region may reach outside the picture: the visible part of it is added. A grey picture
    gets the same change in every channel, and stays grey.
    """
    delta = luminance(perturbation) if is_grey(image) else perturbation.delta
    done = list(kept)
    for region in sorted(regions, key=lambda r: r.width * r.height, reverse=True):
        _add(image, region, Steps(delta, (region.height, region.width), perturbation.epsilon), done)
        done.append(region)


def _add(image: RgbArray, region: Region, steps: Steps, done: Sequence[Region]) -> None:
    """Add ``steps`` where ``region`` is visible and nothing was ``done`` before."""
    visible = region.clipped(image.shape[1], image.shape[0])
    if visible is None:
        return
    columns = slice(visible.x, visible.x + visible.width)
    for rows in bands(visible.height, visible.width, _BAND):
        top, bottom = visible.y + rows.start, visible.y + rows.stop
        change = steps.rows(top - region.y, bottom - region.y)[:, visible.x - region.x :][:, : visible.width]
        for other in done:
            change[
                max(0, other.y - top) : max(0, other.y + other.height - top),
                max(0, other.x - visible.x) : max(0, other.x + other.width - visible.x),
            ] = 0
        image[top:bottom, columns] = (image[top:bottom, columns] + change).clip(0, 255)


def _shrinks(delta: Tensor, height: int, width: int) -> bool:
    """Whether ``delta`` loses something at that size that can be put back."""
    enlarged = height >= delta.shape[-2] and width >= delta.shape[-1]
    return not enlarged and min(height, width) > SEEN_AT and max(height, width) <= LONGEST


def _steps(delta: Tensor, bound: Linf) -> Tensor:
    """``delta`` of any shape, in units of the range [-1, 1], in whole steps of 255, rounded toward zero."""
    scaled = delta.detach().float().mul(STEPS_PER_UNIT)
    # a value meant to be a whole step may lie a float below it
    return scaled.abs().add_(1e-4).floor_().clamp_(max=bound.steps).mul_(scaled.sign())
