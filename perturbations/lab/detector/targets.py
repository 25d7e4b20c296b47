"""What the network should answer for a scene, and how far its answer is from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.lab.detector.network import LARGEST, SHIFT_UNIT, SIDE_UNIT, SMALLEST, STRIDE

POSITIVE: Final = 0.18
"""A cell answers for a face if it lies within this part of the face's side of its centre, or within half a cell."""
UNCLEAR: Final = 0.42
"""Cells within this part, and those of faces a little too small or too large, may answer as they like."""
SLACK: Final = 1.45
"""How much too small or too large."""
VISIBLE: Final = 0.55
"""A face of which less lies in the scene may be found or not; below half of this part it must not be."""
FOCUS: Final = 2.0
"""Exponent of the focal loss (Lin et al., 2017): cells that are right anyway count for little."""
Map = npt.NDArray[np.float32]


def target(faces: Sequence[tuple[float, float, float]], side: int) -> Map:
    """``[5, side / 8, side / 8]``: 1 for a face, 0 for none, -1 for unclear; the shifts and the side; which counts."""
    cells = side // STRIDE
    at = np.arange(cells, dtype=np.float32) * STRIDE + (STRIDE - 1) / 2
    wanted = np.zeros((4, cells, cells), np.float32)
    for x, y, size in faces:
        across, down = x - at[None, :], y - at[:, None]
        far = np.maximum(np.abs(across), np.abs(down))
        inside = far <= max(POSITIVE * size, STRIDE / 2 + 0.5)
        around = far <= max(UNCLEAR * size, STRIDE)
        seen = _seen(x, size, side) * _seen(y, size, side)
        if not SMALLEST / SLACK <= size <= LARGEST * SLACK or seen < VISIBLE / 2:
            continue
        wanted[0][around & (wanted[0] <= 0)] = -1.0
        if seen < VISIBLE or not SMALLEST <= size <= LARGEST:
            continue
        wanted[0][inside] = 1.0
        for plane, value in ((1, across / SHIFT_UNIT), (2, down / SHIFT_UNIT), (3, np.log(size / SIDE_UNIT))):
            wanted[plane] = np.where(inside, value, wanted[plane])
    return wanted


def _seen(centre: float, size: float, side: int) -> float:
    return max(0.0, min(centre + size / 2, side) - max(centre - size / 2, 0.0)) / size


def loss(answer: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of ``[B, 4, H, W]`` against targets, and for each scene the surest false find in it."""
    logit, face = answer[:, 0], wanted[:, 0]
    known, truth = face >= 0, face.clamp(min=0)
    entropy = F.binary_cross_entropy_with_logits(logit, truth, reduction="none")
    right = torch.exp(-entropy.detach())
    weight = torch.where(truth > 0, 1.0, 0.6) * (1 - right) ** FOCUS
    count = truth.sum().clamp(min=1.0)
    seeing = (entropy * weight * known).sum() / count
    apart = F.smooth_l1_loss(answer[:, 1:], wanted[:, 1:], reduction="none", beta=0.1)
    placing = (apart * truth[:, None]).sum() / count
    false = torch.where(face == 0, logit.detach(), -torch.inf).flatten(1).amax(1)
    return seeing + 0.5 * placing, false
