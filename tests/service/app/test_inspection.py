"""Reading headers: right for every kind, and only problems for nonsense."""

from __future__ import annotations

import io
from typing import Any, cast

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.contracts.names import MAX_COPY_PIXELS, MAX_SIDE, MEDIA_TYPES, Format, FormatChoice
from app.contracts.problems import Problem, Unprocessable, UnsupportedMedia
from app.contracts.report import Source
from app.photos import inspection
from app.photos.inspection import check_fits, inspect
from perturbations import photo
from perturbations.photo import formats

SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"RIFFxxxxWEBPVP8X",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
)
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {}),
    "gray jpeg": ("JPEG", "L", {}),
    "png": ("PNG", "RGB", {}),
    "palette png": ("PNG", "P", {}),
    "lossy webp": ("WEBP", "RGB", {}),
    "lossless webp": ("WEBP", "RGB", {"lossless": True}),
    "webp with alpha": ("WEBP", "RGBA", {}),
    "avif": ("AVIF", "RGB", {}),
    "avif with alpha": ("AVIF", "RGBA", {}),
    "heic": ("HEIF", "RGB", {"quality": 60}),
    "heic with alpha": ("HEIF", "RGBA", {"quality": 60}),
    "gif": ("GIF", "P", {}),
    "tiff": ("TIFF", "RGB", {}),
    "packed tiff": ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
    "webp with metadata": ("WEBP", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
}


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    name, mode, options = KINDS[kind]
    data = io.BytesIO()
    if name == "HEIF":
        picture = Image.new(mode, size, (100, 50, 20, 30)[: len(mode)])
        pillow_heif.from_pillow(picture).save(data, **options)
        return data.getvalue()
    Image.new(mode, size, 100 if len(mode) == 1 else (100, 50, 20, 30)[: len(mode)]).save(data, name, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 480)])
def test_kind_and_size_are_found(kind: str, size: tuple[int, int]) -> None:
    data = encoded(kind, size)
    # a HEIC is coded in whole blocks
    source = inspect(data, max_pixels=max(size[0] * size[1], 64 * 320 if kind.startswith("heic") else 0))
    assert (source.width, source.height) == size
    assert source.format == KINDS[kind][0].lower().replace("heif", "heic")
    assert source.bytes == len(data)


@pytest.mark.parametrize("kind", KINDS)
def test_one_pixel_too_many_is_refused(kind: str) -> None:
    with pytest.raises(Problem, match="megapixels"):
        inspect(encoded(kind, (40, 30)), max_pixels=40 * 30 - 1)


@pytest.mark.parametrize("brand", [b"avis", b"avif"])
def test_an_avif_with_frames_is_refused_or_only_its_picture_counts(brand: bytes) -> None:
    frames = [Image.new("RGB", (64, 48), (step, 50, 20)) for step in (0, 100, 200)]
    data = io.BytesIO()
    frames[0].save(data, "AVIF", save_all=True, append_images=frames[1:])
    told = data.getvalue()[:8] + brand + data.getvalue()[12:]
    if brand == b"avis":
        with pytest.raises(Unprocessable, match="animation"):
            inspect(told, max_pixels=1_000_000)
    else:
        source = inspect(told, max_pixels=1_000_000)
        assert (source.format, source.width, source.height) == ("avif", 64, 48)


def test_an_avif_without_its_picture_is_damaged() -> None:
    with pytest.raises(Unprocessable, match="damaged"):
        inspect(encoded("avif", (64, 48)).replace(b"iloc", b"free"), max_pixels=1_000_000)


def test_where_heic_is_switched_off_it_is_told_to_be_exported() -> None:
    with pytest.raises(UnsupportedMedia, match="HEIC"):
        inspect(encoded("heic", (64, 48)), max_pixels=1_000_000, heic=False)
    assert inspect(encoded("heic", (64, 48)), max_pixels=1_000_000).format == "heic"


def test_a_side_too_long_for_the_copy_is_refused() -> None:
    def source(kind: Format) -> Source:
        return Source(format=kind, width=20, height=20_000, bytes=1)

    check_fits(source("jpeg"), "keep")
    check_fits(source("webp"), "png")
    for kind, wanted in (("webp", "keep"), ("png", "webp")):
        with pytest.raises(Unprocessable, match=r"16383.*format=png"):
            check_fits(source(cast("Format", kind)), cast("FormatChoice", wanted))


def test_a_copy_that_takes_too_much_memory_to_write_is_refused_with_what_to_ask_for() -> None:
    large = Source(format="avif", width=7000, height=7000, bytes=1)
    with pytest.raises(Unprocessable, match=r"32 megapixels.*format=jpeg"):
        check_fits(large, "keep")
    check_fits(large, "jpeg")
    check_fits(Source(format="avif", width=5600, height=5700, bytes=1), "keep")


def test_the_front_end_knows_what_the_engine_can_write() -> None:
    assert photo.MAX_SIDE == MAX_SIDE
    assert formats.MAX_COPY_PIXELS == MAX_COPY_PIXELS
    assert photo.MEDIA_TYPES == MEDIA_TYPES
    assert photo.KINDS == inspection.KINDS


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


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_file_cut_anywhere_is_a_problem_or_a_size(kind: str) -> None:
    data = encoded(kind, (64, 48))
    for end in range(len(data)):
        source = tried(data[:end])
        assert source is None or (source.width, source.height) == (64, 48)


@given(st.sampled_from(sorted(KINDS)), st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8))))
def test_a_damaged_file_is_a_problem_or_a_size(kind: str, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(encoded(kind, (64, 48)))
    for place, junk in changes:
        data[place : place + len(junk)] = junk
    source = tried(bytes(data))
    assert source is None or source.width * source.height <= 1_000_000
