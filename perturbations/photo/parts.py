"""Parts of a picture that Poise has written itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from PIL import Image

from perturbations.faces.crop import Region
from perturbations.images import RgbArray
from perturbations.photo.bands import rgb


def decode_parts(data: bytes, kind: str, regions: Sequence[Region]) -> Iterator[RgbArray]:
    """The pixels of ``regions`` inside a picture of format ``kind``; the rest is never turned into an array."""
    with Image.open(io.BytesIO(data), formats=[kind.upper()]) as image:
        image.load()
        for r in regions:
            yield rgb(image, (r.x, r.y, r.x + r.width, r.y + r.height))
