"""Small pictures to fill folders and archives with."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """A picture of random pixels as PNG (or as ``format``), another one for each seed."""

    def encode(seed: int, *, format_: str = "PNG", width: int = 24, height: int = 20) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format_)
        return buffer.getvalue()

    return encode
