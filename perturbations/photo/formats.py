"""The formats of photos: which Poise reads, which a copy can have, and what each can hold."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from PIL import features

HAS_AVIF: Final = features.check("avif")
HAS_HEIC: Final = find_spec("pillow_heif") is not None
"""It is in the extra ``heic``."""
KINDS: Final = f"JPEG, PNG, WebP, {'AVIF, ' if HAS_AVIF else ''}{'HEIC, ' if HAS_HEIC else ''}GIF or TIFF"
FORMATS: Final = ("keep", "png", "jpeg", "webp")
"""What a caller may ask for, besides the format a photo came in."""
KEPT_AS: Final = {"heic": "jpeg", "gif": "png", "tiff": "png"}
"""What photos of formats that are not written are kept as."""
LOSSLESS: Final = frozenset({"png", "webp"})
MEDIA_TYPES: Final = {name: f"image/{name}" for name in ("jpeg", "png", "webp", "avif")}
SUFFIXES: Final = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",), "avif": (".avif",)}
MAX_SIDE: Final = {"jpeg": 65_500, "webp": 16_383, "avif": 32_768, "png": 2**31 - 1}
MAX_COPY_PIXELS: Final = {"avif": 32_000_000}
"""Pixels. AVIF allows twice as many, but its decoder does not, and what is delivered must be readable."""
