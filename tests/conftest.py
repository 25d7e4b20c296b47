"""What all tests share: the one photo of a person they use."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage


@pytest.fixture(scope="session")
def astronaut_png() -> bytes:
    """A portrait of 512x512 pixels with one face (Eileen Collins, NASA, public domain)."""
    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()
