"""JPEGs as they are found: cut, with more behind them, of kinds that cannot be read."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perturbations.errors import BadImage
from perturbations.images import RgbArray
from perturbations.photo import decode
from tests.applying.files import opened, saved, with_segment

WAYS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "small colours": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "grey": {"mode": "L"},
    "grey, progressive": {"mode": "L", "progressive": True},
    "four colours": {"mode": "CMYK"},
}


def jpeg(pixels: RgbArray, way: str) -> bytes:
    options = dict(WAYS[way])
    image = Image.fromarray(pixels[:250, :203]).convert(options.pop("mode", "RGB"))
    return saved(image, "JPEG", quality=90, **options)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("missing", [1, 2])
def test_without_its_end_marker_it_is_whole(pixels: RgbArray, way: str, missing: int) -> None:
    data = jpeg(pixels, way)
    assert np.array_equal(decode(data[:-missing]).pixels, decode(data).pixels)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.7, 0.9, 0.97])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"\xff\xd9 and more"])
def test_cut_off_it_is_refused(pixels: RgbArray, way: str, share: float, end: bytes) -> None:
    data = jpeg(pixels, way)
    cut = data[: int(len(data) * share)] + end
    if end:
        assert opened(cut).height == 250, "the decoder itself says nothing"
    with pytest.raises(BadImage, match="a part of the picture is missing"):
        decode(cut)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", [0, 127, 128, 255])
def test_one_colour_all_over_is_whole(way: str, level: int) -> None:
    """What the decoder fills in looks the same."""
    data = jpeg(np.full((250, 203, 3), level, dtype=np.uint8), way)
    for whole in (data, data[:-2]):
        assert decode(whole).height == 250


def test_what_follows_the_picture_is_left_alone(pixels: RgbArray) -> None:
    """Phones put depth maps and videos there, and tell of them in the header, not always rightly."""
    data = jpeg(pixels, "baseline")
    second = saved(Image.new("RGB", (60, 50)), "JPEG")
    header = b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\xff\xff\xff\xff\0\0\0\0"
    for more in (second, second[:50], b"SEFT" * 100, b"\xff"):
        for file in (data + more, with_segment(data, 0xE2, header) + more):
            assert np.array_equal(decode(file).pixels, decode(data).pixels)


def test_two_pictures_of_a_phone_are_the_first(pixels: RgbArray) -> None:
    out = io.BytesIO()
    first = Image.fromarray(pixels[:250, :203])
    first.save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (60, 50))], quality=90)
    photo = decode(out.getvalue())
    assert (photo.format, photo.width, photo.height) == ("jpeg", 203, 250)


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xE0, b"JFIF"),
        (0xE0, b"JFIF\0\1"),
        (0xE1, b"Exif\0\0"),
        (0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"ICC_PROFILE\0\1\2abc"),
        (0xE2, b"MPF\0MM\0*"),
        (0xED, b"Photoshop 3.0\x008BIM\4\x04"),
        (0xEE, b"Adobe"),
        (0xFE, b""),
    ],
)
def test_broken_metadata_is_nothing_to_a_picture(pixels: RgbArray, marker: int, body: bytes) -> None:
    data = jpeg(pixels, "baseline")
    assert np.array_equal(decode(with_segment(data, marker, body)).pixels, decode(data).pixels)


def with_frame(pixels: RgbArray, at: int, new: bytes, marker: int = 0xC0) -> bytes:
    """A JPEG whose frame header says something else."""
    data = bytearray(jpeg(pixels, "baseline"))
    start = data.index(b"\xff\xc0")
    data[start + 1] = marker
    data[start + 4 + at : start + 4 + at + len(new)] = new
    return bytes(data)


def test_what_cannot_be_read_is_named(pixels: RgbArray) -> None:
    with pytest.raises(BadImage, match="12 bits a colour"):
        decode(with_frame(pixels, 0, b"\x0c", 0xC1))
    with pytest.raises(BadImage, match="lossless or hierarchical"):
        decode(with_frame(pixels, 0, b"\x08", 0xC3))
    with pytest.raises(BadImage, match="65500 pixels a side"):
        decode(with_frame(pixels, 3, struct.pack(">H", 65535)))
    with pytest.raises(BadImage, match="damaged or incomplete"):
        decode(with_frame(pixels, 1, bytes(4)))


def test_a_bomb_is_refused_from_its_header(pixels: RgbArray) -> None:
    with pytest.raises(BadImage, match="scale it down"):
        decode(with_frame(pixels, 1, struct.pack(">HH", 65000, 65000)))
