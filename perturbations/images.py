"""Images between files, arrays and tensors.

There are exactly two ranges: 8-bit RGB arrays ``[H, W, 3]`` (``uint8``) for everything that touches a file, and float
tensors ``[B, 3, H, W]`` in ``[-1, 1]`` for everything that touches a generator.
"""

from __future__ import annotations

import io
import math
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

MAX_PIXELS: Final = 50_000_000
"""Larger pictures are not decoded, unless the caller allows it."""

RgbArray = npt.NDArray[np.uint8]
"""An 8-bit RGB image, ``[H, W, 3]``."""
ORDINARY: Final = 3 / 4
"""The shorter side of a photo of ordinary shape, as a part of the longer one."""
LONGEST: Final = 16
"""So many times longer than it is searched at may a picture be; a thread of millions of pixels is no photo."""


def extent(width: int, height: int) -> float:
    """The longer side in pixels; of a long picture, that of an ordinary one with as many pixels."""
    longer = float(max(width, height))
    return min(longer, max(longer / LONGEST, math.sqrt(width * height / ORDINARY)))


def to_tensor(image: RgbArray) -> Tensor:
    """``[H, W, 3]`` (or a batch, ``[B, H, W, 3]``) of 8 bits to ``[B, 3, H, W]`` in [-1, 1].

    Raises:
        ValueError: the array is not 8-bit RGB.
    """
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise ValueError(f"expected 8-bit RGB [H, W, 3] or [B, H, W, 3], got {image.dtype} {list(image.shape)}")
    batch = image if image.ndim == 4 else image[None]
    # [B, H, W, 3] -> [B, 3, H, W]; the copy also detaches read-only arrays
    return torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2))).float().div_(127.5).sub_(1.0)


def to_uint8(x: Tensor) -> RgbArray:
    """``[B, 3, H, W]`` in [-1, 1] to ``[B, H, W, 3]`` of 8 bits, rounded to nearest; values outside are clipped."""
    y = x.detach().float().clamp(-1.0, 1.0).add(1.0).mul(127.5).round()
    # [B, 3, H, W] -> [B, H, W, 3]
    return y.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def resize(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Bilinear resize of ``[B, 3, H, W]`` to ``size`` (a side, or height and width), antialiased where it shrinks."""
    target = (size, size) if isinstance(size, int) else size
    if tuple(x.shape[-2:]) == target:
        return x
    return F.interpolate(x, size=target, mode="bilinear", align_corners=False, antialias=True)


def compressed(image: RgbArray, kind: str, quality: int, **options: str) -> RgbArray:
    """``[H, W, 3]`` once through a lossy file: ``kind`` is Pillow's name of the format, ``quality`` from 1 to 100.

    ``options`` are other options of Pillow, such as ``subsampling``; it halves the chroma of a JPEG by default.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, quality=quality, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))
