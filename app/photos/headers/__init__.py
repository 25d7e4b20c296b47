"""Reads the headers of photos without a decoder, and believes only what matters.

One file for each kind, with a function that returns a :class:`Header`. A decoder may still refuse what these accept.
What these refuse, no decoder reads, and they name the reason.
"""

from __future__ import annotations

from app.photos.headers.avif import avif
from app.photos.headers.gif import gif
from app.photos.headers.header import Header, Unreadable
from app.photos.headers.heic import heic
from app.photos.headers.jpeg import jpeg
from app.photos.headers.png import png
from app.photos.headers.tiff import tiff
from app.photos.headers.webp import webp

__all__ = ["Header", "Unreadable", "avif", "gif", "heic", "jpeg", "png", "tiff", "webp"]
