"""The headers of photos, read here rather than by a decoder: what counts, and nothing that a file only claims.

One file for each kind, with a function that gives a :class:`Header`. What these accept a decoder may still refuse;
what they refuse no decoder reads, and they name the reason.
"""

from __future__ import annotations

from app.photos.headers.avif import avif
from app.photos.headers.header import Header, Unreadable
from app.photos.headers.jpeg import jpeg
from app.photos.headers.png import png
from app.photos.headers.webp import webp

__all__ = ["Header", "Unreadable", "avif", "jpeg", "png", "webp"]
