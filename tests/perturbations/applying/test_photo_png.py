"""PNGs as they are found: with much text, damaged beside the pixels, transparent in one value."""

from __future__ import annotations

import struct
import time
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from perturbations.errors import BadImage
from perturbations.images import RgbArray
from perturbations.photo import decode, encode
from perturbations.photo.credit import Credit
from tests.perturbations.applying.files import P3, chunk, png_of, profile, saved, with_chunk

MUCH = zlib.compress(b"0123456789abcdef" * 131_072)
"""2 MB, unpacked."""


@pytest.fixture
def file(pixels: RgbArray) -> bytes:
    return saved(Image.fromarray(pixels[:40, :64]), "PNG")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + MUCH),
        (b"zTXt", b"Comment\0\0" + MUCH),
        (b"zTXt", b"Raw profile type exif\0\0" + MUCH),
        (b"zTXt", b"Copyright\0\0" + MUCH),
        (b"iTXt", b"Author\0\1\0\0\0" + MUCH),
        (b"tEXt", b"Copyright\0" + b"x" * 2_000_000),
        (b"zTXt", b"Copyright\0\0abc"),
        (b"iTXt", b"Copyright"),
        (b"tEXt", b"Comment\0" + b"x" * 2_000_000),
        (b"zTXt", b"Comment\0\7abc"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n4\nabc"),
        (b"iCCP", b"x\0\7abc"),
        (b"iCCP", b"x\0\0" + MUCH),
        (b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000), 1)),
        (b"gAMA", b"\0"),
        (b"gAMA", bytes(4)),
        (b"cHRM", b"\0"),
        (b"sRGB", b""),
        (b"pHYs", b"\0"),
        (b"acTL", b"\0"),
        (b"acTL", bytes(8)),
        (b"cICP", b"\1"),
        (b"eXIf", b""),
        (b"caBX", b"\0" * 100),
    ],
)
def test_what_is_beside_the_pixels_does_not_matter(file: bytes, pixels: RgbArray, kind: bytes, body: bytes) -> None:
    photo = decode(with_chunk(file, kind, body))
    assert np.array_equal(photo.pixels, pixels[:40, :64])
    assert photo.icc is None


@pytest.mark.parametrize(
    ("kind", "head", "unpacked", "count"),
    [
        (b"iCCP", b"x\0\0", 16_000_001, 150),
        (b"zTXt", b"Raw profile type exif\0\0", 1_000_001, 2000),
        (b"zTXt", b"Copyright\0\0", 1_000_001, 2000),
    ],
)
def test_what_counts_once_is_unpacked_once(file: bytes, kind: bytes, head: bytes, unpacked: int, count: int) -> None:
    """2 MB of these took 14 seconds, 25 MB minutes."""
    body = head + zlib.compress(bytes(unpacked), 9)
    began = time.process_time()
    assert decode(file[:33] + count * chunk(kind, body) + file[33:]).icc is None
    assert time.process_time() - began < 4


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA"])
def test_a_damaged_chunk_beside_the_pixels_does_not_count(file: bytes, pixels: RgbArray, kind: bytes) -> None:
    data = bytearray(with_chunk(file, kind, bytes(4)))
    data[data.index(kind) + 8] ^= 1
    assert np.array_equal(decode(bytes(data)).pixels, pixels[:40, :64])


def test_without_its_last_bytes_it_is_whole(file: bytes, pixels: RgbArray) -> None:
    for missing in (1, 12, 14):
        assert np.array_equal(decode(file[:-missing]).pixels, pixels[:40, :64])


def test_damage_of_the_pixels_is_refused(file: bytes) -> None:
    damaged = bytearray(file)
    damaged[file.index(b"IHDR") + 6] ^= 1
    with pytest.raises(BadImage, match="damaged"):
        decode(bytes(damaged))
    with pytest.raises(BadImage, match="damaged"):
        decode(file[: len(file) * 9 // 10])


def test_a_large_profile_survives_without_what_is_private(file: bytes) -> None:
    """Such a file was written by Poise, which could not read it again."""
    noise = np.random.default_rng(0).bytes(1_500_000)
    data = with_chunk(file, b"iCCP", b"x\0\0" + zlib.compress(profile(b"RGB", 2.2, *P3, private=noise)))
    photo = decode(data)
    assert photo.icc is not None
    assert len(photo.icc) < 1000
    assert decode(encode(photo, "png")).icc == photo.icc


def test_an_animation_is_refused(file: bytes) -> None:
    with pytest.raises(BadImage, match="animation"):
        decode(with_chunk(file, b"acTL", struct.pack(">II", 2, 0)))
    with pytest.raises(BadImage, match="animation"):
        decode(file[:-12] + chunk(b"fdAT", bytes(10)) + file[-12:])


def test_an_animation_of_one_picture_is_a_picture(file: bytes, pixels: RgbArray) -> None:
    assert np.array_equal(decode(with_chunk(file, b"acTL", struct.pack(">II", 1, 0))).pixels, pixels[:40, :64])


def greys(depth: int) -> npt.NDArray[Any]:
    """Every value there is, or many of them."""
    return np.linspace(0, 2**depth - 1, 32 * 16).round().astype(int).reshape(16, 32)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_found_in_any_depth(depth: int) -> None:
    values = greys(depth)
    clear = int(values[8, 16])
    photo = decode(png_of(values, depth, 0, chunk(b"tRNS", struct.pack(">H", clear))))
    assert photo.grey
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.where(values == clear, 0, 255))
    assert np.array_equal(photo.pixels, np.dstack([np.round(values * 255 / (2**depth - 1)).astype(np.uint8)] * 3))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_of_a_transparent_grey_only_the_bits_of_its_depth_count(depth: int) -> None:
    """As section 11.3.1.1 of the third edition says."""
    values = greys(depth)
    clear = int(values[8, 16])
    photo = decode(png_of(values, depth, 0, chunk(b"tRNS", struct.pack(">H", clear | 0xFFFF << depth & 0xFFFF))))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.where(values == clear, 0, 255))


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0"])
def test_a_transparent_grey_of_another_length_makes_nothing_transparent(body: bytes) -> None:
    photo = decode(png_of(greys(8), 8, 0, chunk(b"tRNS", body)))
    assert photo.alpha is None or (photo.alpha == 255).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_found_in_any_depth(depth: int) -> None:
    values = np.dstack((greys(depth), greys(depth)[::-1], greys(depth)[:, ::-1]))
    clear = values[8, 16]
    photo = decode(png_of(values, depth, 2, chunk(b"tRNS", struct.pack(">3H", *clear))))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha == 0, (values == clear).all(axis=2))


def test_a_photo_that_can_hold_greys_only_is_grey(pixels: RgbArray) -> None:
    picture = Image.fromarray(pixels[:40, :64])
    palette = picture.convert("L").quantize(16)
    for image in (picture.convert("L"), picture.convert("1"), picture.convert("LA"), palette):
        photo = decode(saved(image, "PNG"))
        assert photo.grey
        assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    for image in (picture, picture.quantize(16), picture.convert("RGBA")):
        assert not decode(saved(image, "PNG")).grey


def test_a_grey_palette_keeps_its_transparency(pixels: RgbArray) -> None:
    palette = Image.fromarray(pixels[:40, :64]).convert("L").quantize(16)
    photo = decode(saved(palette, "PNG", transparency=bytes([0, 128])))
    assert photo.grey
    assert photo.alpha is not None
    assert set(np.unique(photo.alpha)) == {0, 128, 255}


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_tells_grey_from_colours(pixels: RgbArray, mode: str) -> None:
    assert decode(saved(Image.fromarray(pixels[:40, :64]).convert(mode), "JPEG")).grey == (mode == "L")


@pytest.mark.parametrize("keyword", [b"Raw profile type iptc", b"Raw profile type 8bim"])
@pytest.mark.parametrize("bare", [False, True])
def test_iptc_in_a_text_is_read_as_imagemagick_writes_it(file: bytes, keyword: bytes, bare: bool) -> None:
    block = b"\x1c\2\x50\0\6Agency\x1c\2\x74\0\x0bAgency/2026"
    if not bare:
        block = b"8BIM\4\4\0\0" + struct.pack(">I", len(block)) + block + bytes(len(block) % 2)
    text = b"\niptc\n%8d\n%s\n" % (len(block), block.hex("\n", -36).encode())
    photo = decode(with_chunk(file, b"zTXt", keyword + b"\0\0" + zlib.compress(text)))
    assert photo.credit == Credit("Agency", "Agency/2026")


def test_texts_come_after_what_is_made_for_it(file: bytes) -> None:
    data = with_chunk(file, b"tEXt", b"Author\0Somebody else")
    data = with_chunk(data, b"tEXt", b"Copyright\0Rights")
    data = with_chunk(data, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<dc:creator>Ana</dc:creator>")
    assert decode(data).credit == Credit("Ana", "Rights")


def test_avif_tells_grey_from_colours(pixels: RgbArray) -> None:
    picture = Image.fromarray(pixels[:40, :64])
    for mode, grey in (("L", True), ("RGB", False), ("RGBA", False)):
        assert decode(saved(picture.convert(mode), "AVIF")).grey == grey
    transparent = picture.convert("LA")
    transparent.putalpha(100)
    photo = decode(saved(transparent, "AVIF", subsampling="4:0:0"))
    assert photo.grey
    assert photo.alpha is not None
