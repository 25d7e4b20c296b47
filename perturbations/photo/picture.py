"""A decoded photo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from perturbations.images import RgbArray


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright.

    pixels: ``[H, W, 3]``. alpha: ``[H, W]`` of 8 bits, or ``None`` where it is opaque. icc: an RGB profile, if any.
    format: what it was decoded from (``jpeg``, ``png``, ``webp``, ``avif``). grey: whether the file holds greys only.
    """

    pixels: RgbArray
    alpha: npt.NDArray[np.uint8] | None
    icc: bytes | None
    format: str
    grey: bool = False

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def flattened(self) -> Photo:
        """The photo on white, opaque."""
        if self.alpha is None:
            return self
        share = self.alpha[:, :, None].astype(np.float32) / 255.0
        pixels = (self.pixels * share + 255.0 * (1.0 - share)).round().astype(np.uint8)
        return replace(self, pixels=pixels, alpha=None)
