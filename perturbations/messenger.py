"""What messengers and platforms do to a photo: they scale it down and compress it again.

An attacker who takes the photo from there has another crop as well, a few per cent off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perturbations.faces.crop import Region
from perturbations.images import RgbArray, compressed
from perturbations.scaling import scaled, times

LONG_SIDE: Final = 1080
"""Pixels of a photo's longer side that are kept."""
QUALITY: Final = 80
CROP_OFF: Final = (0.03, 0.02, 0.95)
"""Of the crop's side: how far another pipeline's crop lies to the right and down, and its own side."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A photo and its protected copy ``[H, W, 3]`` behind a messenger.

    original: what the effect is compared with: scaled down as well, but not compressed.
    """

    original: RgbArray
    protected: RgbArray
    scale: float

    def crop(self, region: Region) -> Region:
        """Where another pipeline cuts out what was ``region`` before."""
        right, down, share = CROP_OFF
        here = times(region, self.scale)
        return Region(
            here.x + round(right * here.width),
            here.y + round(down * here.height),
            max(1, round(share * here.width)),
            max(1, round(share * here.height)),
        )


def sent(original: RgbArray, protected: RgbArray) -> Sent:
    """Send ``protected`` through a messenger."""
    scale = min(1.0, LONG_SIDE / max(original.shape[:2]))
    return Sent(scaled(original, scale), compressed(scaled(protected, scale), "JPEG", QUALITY), scale)
