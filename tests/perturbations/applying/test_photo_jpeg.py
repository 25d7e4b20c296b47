"""JPEGs as they are found: cut, with more behind them, of kinds that cannot be read."""

from __future__ import annotations

import io
import re
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perturbations.errors import BadImage
from perturbations.images import RgbArray
from perturbations.photo import decode
from tests.perturbations.applying.files import opened, saved, with_segment

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


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 2}, {"restart_marker_rows": 1}])
def test_a_missing_block_is_missed(pixels: RgbArray, options: dict[str, Any]) -> None:
    """A few bytes before the end, which the decoder makes up for with zeros."""
    data = saved(Image.fromarray(pixels), "JPEG", quality=90, **options)
    whole = decode(data).pixels.astype(int)
    for missing in range(3, 60):
        try:
            got = decode(data[:-missing]).pixels
        except BadImage:
            continue
        assert np.abs(got - whole).max() <= 8, missing


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("zeros", [64, 1000, 100_000])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_zeros_make_up_for_nothing(pixels: RgbArray, way: str, zeros: int, end: bytes) -> None:
    data = jpeg(pixels, way)
    assert np.array_equal(decode(data[:-2] + bytes(zeros) + end).pixels, decode(data).pixels)
    for share in (0.7, 0.9, 0.97):
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            decode(data[: int(len(data) * share)] + bytes(zeros) + end)


def test_zeros_at_any_place_before_the_end_are_found(pixels: RgbArray) -> None:
    """From there on, or over 64 bytes; where nothing is seen of them, nothing is missing."""
    data = saved(Image.fromarray(pixels[:250, :203]), "JPEG", quality=90)
    whole, first = decode(data).pixels.astype(int), data.index(b"\xff\xda") + 20
    for at in range(first, len(data) - 2, 149):
        for damaged in (
            data[:at] + bytes(len(data) - at + 100) + b"\xff\xd9",
            data[:at] + bytes(64) + data[at + 64 :],
        ):
            try:
                got = decode(damaged).pixels
            except BadImage:
                continue
            assert np.abs(got - whole).max() <= 8, at


@pytest.mark.parametrize("level", [0, 127, 255])
@pytest.mark.parametrize("top", [0, 800])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "options", [{"optimize": True}, {"optimize": True, "restart_marker_rows": 1}, {"progressive": True}]
)
def test_an_even_area_may_be_coded_as_zeros(
    pixels: RgbArray, level: int, top: int, mode: str, options: dict[str, Any]
) -> None:
    """A black border, or a sky that is white all over."""
    canvas = np.full((1312, 1024, 3), level, np.uint8)
    canvas[top : top + 512, :512] = pixels
    data = saved(Image.fromarray(canvas).convert(mode), "JPEG", quality=60, **options)
    for whole in (data, data[:-2]):
        assert np.array_equal(decode(whole).pixels, np.asarray(opened(data).convert("RGB")))


def test_restarts_follow_each_other(pixels: RgbArray) -> None:
    data = jpeg(pixels, "restarts")
    places = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    assert len(places) == 15
    for last in (1, 5, 8):
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            decode(data[: places[4]] + data[places[4 + last] :])
    assert decode(data[:-2] + bytes((0xFF, 0xD0 + len(places) % 8)) + data[-2:]).height == 250, "one more at the end"


def in_three_scans(pixels: RgbArray) -> tuple[bytes, list[int]]:
    """A baseline JPEG with a scan for each component, and where the scans begin."""
    planes = [saved(plane, "JPEG", quality=90) for plane in Image.fromarray(pixels).convert("YCbCr").split()]
    first, height, width = planes[0], *pixels.shape[:2]
    at = first.index(b"\xff\xc0")
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes((1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0))
    data = first[:at] + b"\xff\xc0" + frame + first[at + 13 : first.index(b"\xff\xda")]
    begins = []
    for number, plane in enumerate(planes, 1):
        begins.append(len(data))
        data += (
            struct.pack(">2sHB5B", b"\xff\xda", 8, 1, number, 0, 0, 63, 0) + plane[plane.index(b"\xff\xda") + 10 : -2]
        )
    return data + b"\xff\xd9", begins


def test_three_scans_are_a_picture(pixels: RgbArray) -> None:
    data, _ = in_three_scans(pixels)
    for whole in (data, data[:-2]):
        assert np.abs(decode(whole).pixels.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_the_last_of_three_scans_cut_off_is_refused(pixels: RgbArray, share: float, end: bytes) -> None:
    data, _ = in_three_scans(pixels)
    with pytest.raises(BadImage, match="a part of the picture is missing"):
        decode(data[: int(len(data) * share)] + end)


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_cut_between_scans_it_is_refused(pixels: RgbArray, end: bytes) -> None:
    data, begins = in_three_scans(pixels)
    for begin in begins[1:]:
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            decode(data[:begin] + end)


def test_progressive_and_cut_between_scans_it_is_refused(pixels: RgbArray) -> None:
    """Without its last refinements, but with an end marker, it may be as its encoder meant it."""
    data = jpeg(pixels, "progressive")
    begins = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    assert len(begins) > 5
    for begin in begins[1:]:
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            decode(data[:begin])
    with pytest.raises(BadImage, match="a part of the picture is missing"):
        decode(data[: begins[1]] + b"\xff\xd9")
    assert decode(data[: begins[-1]] + b"\xff\xd9").height == 250


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


def test_a_steady_gradient_has_no_hole() -> None:
    """Its differences are all alike, so tables made for it may code them as zeros."""
    out = io.BytesIO()
    steady = np.tile(np.linspace(255, 0, 2048).round().astype(np.uint8), (256, 1))
    Image.fromarray(steady).save(out, "JPEG", quality=75, optimize=True)
    assert decode(out.getvalue()).width == 2048
