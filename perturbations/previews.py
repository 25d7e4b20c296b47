"""Pictures of what a generator makes of a face, to accompany the figures."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from perturbations.images import RgbArray


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What ``edit`` makes of the original and of the protected copy: two pictures, ``[S, S, 3]`` of 8 bits, at the
    generator's own size."""

    architecture: str
    edit: str
    original: RgbArray
    protected: RgbArray


def png(picture: RgbArray) -> bytes:
    """A picture ``[H, W, 3]`` as a PNG file, with nothing in it but pixels."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
