"""Reading headers: right for every kind, and only problems for nonsense."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.contracts.problems import Problem
from app.contracts.report import Source
from app.images import inspect

SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"RIFFxxxxWEBPVP8X",
)
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {}),
    "gray jpeg": ("JPEG", "L", {}),
    "png": ("PNG", "RGB", {}),
    "palette png": ("PNG", "P", {}),
    "lossy webp": ("WEBP", "RGB", {}),
    "lossless webp": ("WEBP", "RGB", {"lossless": True}),
    "webp with alpha": ("WEBP", "RGBA", {}),
    "webp with metadata": ("WEBP", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
}


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    name, mode, options = KINDS[kind]
    data = io.BytesIO()
    Image.new(mode, size, 100 if len(mode) == 1 else (100, 50, 20, 30)[: len(mode)]).save(data, name, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 480)])
def test_kind_and_size_are_found(kind: str, size: tuple[int, int]) -> None:
    data = encoded(kind, size)
    source = inspect(data, max_pixels=size[0] * size[1])
    assert (source.width, source.height) == size
    assert source.format == KINDS[kind][0].lower()
    assert source.bytes == len(data)


@pytest.mark.parametrize("kind", KINDS)
def test_one_pixel_too_many_is_refused(kind: str) -> None:
    with pytest.raises(Problem, match="megapixels"):
        inspect(encoded(kind, (40, 30)), max_pixels=40 * 30 - 1)


def tried(data: bytes) -> Source | None:
    """What is found out, or nothing where a problem says so; any other error passes."""
    try:
        return inspect(data, max_pixels=1_000_000)
    except Problem:
        return None


@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
def test_nonsense_is_a_problem_or_a_size(signature: bytes, rest: bytes) -> None:
    source = tried(signature + rest)
    assert source is None or source.width * source.height <= 1_000_000


@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1))
def test_a_cut_file_is_a_problem_or_a_size(kind: str, share: float) -> None:
    data = encoded(kind, (64, 48))
    source = tried(data[: int(share * len(data))])
    assert source is None or (source.width, source.height) == (64, 48)
