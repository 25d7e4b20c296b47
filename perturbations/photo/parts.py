"""Parts of a picture that Poise has written itself."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from perturbations.faces.crop import Region
from perturbations.images import RgbArray
from perturbations.planes import rgb


def decode_parts(data: bytes, name: str, regions: Sequence[Region]) -> list[RgbArray]:
    """Of a file of the format ``name``, the pixels of ``regions``, which lie inside it; no more becomes an array."""
    with Image.open(io.BytesIO(data), formats=[name.upper()]) as image:
        image.load()
        return [rgb(image, (r.x, r.y, r.x + r.width, r.y + r.height)) for r in regions]
