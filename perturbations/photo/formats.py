"""The formats of photos: which Poise reads, which a copy can have, and what each can hold."""

from __future__ import annotations

from typing import Final

from PIL import features

HAS_AVIF: Final = features.check("avif")
KINDS: Final = "JPEG, PNG, WebP or AVIF" if HAS_AVIF else "JPEG, PNG or WebP"
FORMATS: Final = ("keep", "png", "jpeg", "webp")
"""What a caller may ask for, besides the format a photo came in."""
LOSSLESS: Final = frozenset({"png", "webp"})
MEDIA_TYPES: Final = {name: f"image/{name}" for name in ("jpeg", "png", "webp", "avif")}
SUFFIXES: Final = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",), "avif": (".avif",)}
MAX_SIDE: Final = {"jpeg": 65_500, "webp": 16_383, "avif": 32_768, "png": 2**31 - 1}
MAX_COPY_PIXELS: Final = {"avif": 32_000_000}
"""Pixels. AVIF allows twice as many, but its decoder does not, and what is delivered must be readable."""
