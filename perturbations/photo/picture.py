"""A decoded photo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perturbations.images import RgbArray
from perturbations.photo.bands import AlphaArray, on_white


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright.

    pixels: ``[H, W, 3]``. alpha: ``[H, W]`` of 8 bits, or ``None`` if it is opaque. icc: an RGB profile, if any.
    format: what it was decoded from (``jpeg``, ``png``, ``webp``, ``avif``). grey: whether the file holds greys
    only, in one channel, as that of its copy shall.
    """

    pixels: RgbArray
    alpha: AlphaArray | None
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
        return replace(self, pixels=on_white(self.pixels, self.alpha), alpha=None)
