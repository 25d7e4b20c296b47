"""Which way up photos come out."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from perturbations.images import RgbArray
from perturbations.photo import decode, encode
from perturbations.photo.orientation import orientation_of
from tests.perturbations.applying.files import (
    ASCII,
    GPS,
    LONG,
    ODD,
    ORIENTATION,
    RATIONAL,
    SHORT,
    aperture,
    chunk,
    lying,
    opened,
    saved,
    tiff,
    turned_avif,
    with_chunk,
    with_exif,
    with_property,
    with_segment,
    xmp,
)

UPRIGHT = (40, 64)
"""Width and height of a photo that is stored lying, 64 wide and 40 high."""


@pytest.fixture
def stored(pixels: RgbArray) -> Image.Image:
    return Image.fromarray(pixels[:40, :64])


@pytest.fixture
def turned(stored: Image.Image) -> RgbArray:
    return np.asarray(stored.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("odd", ODD)
def test_odd_exif_turns_a_jpeg(stored: Image.Image, odd: str) -> None:
    photo = decode(with_exif(saved(stored, "JPEG", quality=95), ODD[odd]))
    assert (photo.width, photo.height) == UPRIGHT


@pytest.mark.parametrize("odd", ODD)
def test_odd_exif_turns_a_png(stored: Image.Image, turned: RgbArray, odd: str) -> None:
    assert np.array_equal(decode(with_chunk(saved(stored, "PNG"), b"eXIf", ODD[odd])).pixels, turned)


@pytest.mark.parametrize("odd", ODD)
def test_odd_exif_turns_a_webp(stored: Image.Image, turned: RgbArray, odd: str) -> None:
    assert np.array_equal(decode(saved(stored, "WEBP", lossless=True, exif=ODD[odd])).pixels, turned)


@pytest.mark.parametrize("odd", ODD)
def test_odd_exif_neither_turns_an_avif_nor_breaks_it(stored: Image.Image, odd: str) -> None:
    """Its container says which way up it is: once with the EXIF, once against it."""
    assert (decode(turned_avif(stored, 1, ODD[odd])).width, decode(turned_avif(stored, 6, ODD[odd])).width) == (64, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_by_its_container(stored: Image.Image, orientation: int) -> None:
    photo = decode(turned_avif(stored, orientation, tiff(lying(3))))
    right = decode(with_chunk(saved(stored, "PNG"), b"eXIf", tiff(lying(orientation))))
    assert photo.pixels.shape == right.pixels.shape
    assert np.abs(photo.pixels.astype(int) - right.pixels).mean() < 4


def test_xmp_does_not_turn_a_jpeg(stored: Image.Image) -> None:
    data = with_segment(saved(stored, "JPEG"), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))
    assert decode(data).width == 64


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_xmp_does_not_turn_what_else_carries_it(stored: Image.Image, kind: str) -> None:
    if kind == "PNG":
        data = with_chunk(saved(stored, "PNG"), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))
    else:
        data = saved(stored, kind, xmp=xmp(6))
    assert b"Orientation" in data
    assert decode(data).width == 64


def test_what_is_told_twice_turns_once(stored: Image.Image, turned: RgbArray) -> None:
    png = with_chunk(saved(stored, "PNG"), b"eXIf", tiff(lying()))
    png = with_chunk(png, b"zTXt", raw(tiff(lying())))
    webp = saved(stored, "WEBP", lossless=True, exif=tiff(lying()), xmp=xmp(6))
    for data in (png, webp):
        assert np.array_equal(decode(data).pixels, turned)


@pytest.mark.parametrize("kind", [b"zTXt", b"tEXt"])
def test_exif_in_a_png_text_turns(stored: Image.Image, turned: RgbArray, kind: bytes) -> None:
    """As ImageMagick writes it."""
    data = with_chunk(saved(stored, "PNG"), kind, raw(tiff(lying()), packed=kind == b"zTXt"))
    assert np.array_equal(decode(data).pixels, turned)


def raw(block: bytes, *, packed: bool = True) -> bytes:
    block = b"Exif\0\0" + block
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(block):8}\n{lines}\n".encode()
    return b"Raw profile type exif\0" + (b"\0" + zlib.compress(text) if packed else text)


def test_exif_behind_the_pixels_of_a_png_turns(stored: Image.Image, turned: RgbArray) -> None:
    data = saved(stored, "PNG")
    assert np.array_equal(decode(data[:-12] + chunk(b"eXIf", tiff(lying())) + data[-12:]).pixels, turned)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"MM\0*",
        b"MM\0*\xff\xff\xff\xff",
        b"no exif at all",
        tiff(),
        tiff(lying(0)),
        tiff(lying(9)),
        tiff((ORIENTATION, ASCII, 2, b"6\0")),
        tiff((ORIENTATION, SHORT, 2, b"\0\6\0\6")),
        tiff((ORIENTATION, RATIONAL, 1, bytes(7) + b"\6")),
        tiff(gps=[lying()]),
        tiff((GPS, LONG, 1, b"\xff\xff\xff\xff")),
    ],
)
def test_exif_that_says_nothing_turns_nothing(block: bytes) -> None:
    assert orientation_of(block) == 1


def test_the_cropped_margin_of_an_avif_stays_away(pixels: RgbArray) -> None:
    """What somebody cropped away is still in the file; it must not come back."""
    stored = Image.fromarray(pixels[:80, :120])
    data = with_property(saved(stored, "AVIF", quality=95), b"clap", aperture(60, 40, -10, 5))
    assert opened(data).size == (120, 80), "the test's own file can be read"
    photo = decode(data)
    assert (photo.width, photo.height) == (60, 40)
    right = pixels[25:65, 20:80].astype(int)  # the middle is (60, 40), the crop's (50, 45)
    assert np.abs(photo.pixels - right).mean() < 4
    assert decode(encode(photo, "keep")).width == 60


def test_a_crop_of_half_pixels_is_cut_inwards(pixels: RgbArray) -> None:
    stored = saved(Image.fromarray(pixels[:80, :120]), "AVIF")
    photo = decode(with_property(stored, b"clap", aperture(121, 81, 0, 0, over=2)))
    assert (photo.width, photo.height) == (60, 40)


def test_a_crop_is_made_before_the_turn(pixels: RgbArray) -> None:
    stored = saved(Image.fromarray(pixels[:80, :120]), "AVIF")
    data = with_property(with_property(stored, b"clap", aperture(60, 40, 0, 0)), b"irot", b"\1")
    assert (decode(data).width, decode(data).height) == (40, 60)
