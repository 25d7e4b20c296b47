"""Photos in and out: what survives, what does not, what is refused."""

from __future__ import annotations

import io
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from perturbations.artifact import Perturbation
from perturbations.errors import BadImage, UnknownName
from perturbations.images import RgbArray
from perturbations.photo import MAX_SIDE, Photo, decode, encode
from perturbations.photo.credit import credit_of
from perturbations.photo.orientation import orientation_of
from perturbations.protect import protect_photo
from perturbations.quality import max_abs_diff, psnr

SECRET = b"Somewhere 12"
GPS = 0x8825


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = SECRET.decode()
    tags.get_ifd(GPS).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return tags


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("target", ["keep", "png", "jpeg", "webp"])
def test_location_and_other_metadata_never_survive(pixels: RgbArray, source: str, target: str) -> None:
    data = saved(Image.fromarray(pixels[:64, :64]), source, exif=exif())
    assert SECRET in data, "the test's own photo carries it"
    out = encode(decode(data), target)
    assert SECRET not in out
    with Image.open(io.BytesIO(out)) as image:
        assert not image.getexif()
        assert not image.getexif().get_ifd(GPS)
        assert not {"exif", "xmp", "comment"} & set(image.info)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(pixels: RgbArray, orientation: int) -> None:
    stored = pixels[:40, :64]
    expected = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored[::-1].transpose(1, 0, 2),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: stored[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    photo = decode(saved(Image.fromarray(stored), "PNG", exif=exif(orientation)))
    assert np.array_equal(photo.pixels, expected)
    assert (photo.height, photo.width) == expected.shape[:2]


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_lossless_formats_keep_every_bit_of_colour_and_alpha(pixels: RgbArray, format_: str) -> None:
    alpha = np.arange(64 * 48, dtype=np.uint32).reshape(48, 64).astype(np.uint8)
    again = decode(encode(Photo.of(pixels[:48, :64], alpha, None, format_), "keep"))
    assert again.alpha is not None
    assert np.array_equal(again.alpha, alpha)
    assert np.array_equal(again.pixels, pixels[:48, :64])
    assert again.format == format_


def test_jpeg_has_full_colour_resolution_and_puts_transparency_on_white(pixels: RgbArray) -> None:
    alpha = np.full((64, 64), 255, dtype=np.uint8)
    alpha[:32] = 0
    out = encode(Photo.of(pixels[:64, :64], alpha, None, "png"), "jpeg")
    with Image.open(io.BytesIO(out)) as image:
        layers = getattr(image, "layer")  # noqa: B009 - not part of Pillow's declared interface
        assert {layer[1:3] for layer in layers} == {(1, 1)}
    photo = decode(out)
    assert photo.alpha is None
    assert int(photo.pixels[:24].min()) > 240


def test_avif_keeps_what_was_added(pixels: RgbArray) -> None:
    rng = np.random.default_rng(0)
    added = rng.choice(np.array([-6, 6]), pixels.shape)
    changed = (pixels + added).clip(0, 255).astype(np.uint8)
    alpha = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512).astype(np.uint8)
    again = decode(encode(Photo.of(changed, alpha, None, "avif"), "keep"))
    assert again.format == "avif"
    assert again.alpha is not None
    assert max_abs_diff(again.pixels, changed) <= 2
    assert psnr(again.pixels, changed) > 49
    assert np.array_equal(again.alpha, alpha)


def test_a_rotated_avif_is_upright(pixels: RgbArray) -> None:
    photo = decode(saved(Image.fromarray(pixels[:40, :64]), "AVIF", exif=exif(6)))
    assert (photo.width, photo.height) == (40, 64)


def test_opaque_alpha_is_no_alpha(pixels: RgbArray) -> None:
    assert decode(saved(Image.fromarray(pixels).convert("RGBA"), "PNG")).alpha is None


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_rgb_profile_is_kept(pixels: RgbArray, format_: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = encode(decode(saved(Image.fromarray(pixels[:32, :32]), format_, icc_profile=profile)), "keep")
    with Image.open(io.BytesIO(out)) as image:
        assert image.info["icc_profile"] == profile


def test_profile_that_is_none_is_dropped(pixels: RgbArray) -> None:
    photo = decode(saved(Image.fromarray(pixels[:32, :32]), "PNG", icc_profile=b"no profile at all"))
    assert photo.icc is None
    assert np.array_equal(photo.pixels, pixels[:32, :32])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_8_bit_rgb(pixels: RgbArray, mode: str) -> None:
    picture = Image.fromarray(pixels[:40, :64])
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    photo = decode(saved(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert photo.pixels.shape == (40, 64, 3)
    assert photo.pixels.dtype == np.uint8
    if mode in ("L", "LA", "I;16"):
        gray = np.asarray(Image.fromarray(pixels[:40, :64]).convert("L"))
        assert np.array_equal(photo.pixels, np.dstack([gray] * 3))


def test_palette_transparency_is_kept() -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((0, 0), 0)
    photo = decode(saved(picture, "PNG", transparency=0))
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 0
    assert photo.alpha[1, 1] == 255


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_data_is_refused(pixels: RgbArray, format_: str, share: float) -> None:
    data = saved(Image.fromarray(pixels), format_)
    with pytest.raises(BadImage, match="send"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data", [b"", b"hello " * 100, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBPVP8 "]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage, match="send"):
        decode(data)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=4))
def test_damage_is_survived_or_explained(pixels: RgbArray, format_: str, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(saved(Image.fromarray(pixels[:24, :24]), format_, exif=exif(6)))
    for place, junk in changes:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            photo = decode(bytes(data), max_pixels=1_000_000)
        except BadImage:
            return
        finally:
            assert [str(remark.message) for remark in remarks] == []
    assert photo.pixels.ndim == 3
    assert photo.pixels.shape[2] == 3


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (AttributeError, "export it again"),
        (AssertionError, "export it again"),
        (RecursionError, "export it again"),
        (OverflowError, "export it again"),
        (UserWarning, "export it again"),
        (MemoryError, "scale it down"),
        (Image.DecompressionBombError, "scale it down"),
    ],
)
def test_whatever_a_decoder_raises_is_explained(
    pixels: RgbArray, monkeypatch: pytest.MonkeyPatch, format_: str, error: type[Exception], advice: str
) -> None:
    data = saved(Image.fromarray(pixels[:24, :24]), format_)

    def fail(*_: object, **__: object) -> None:
        raise error("out of its depths")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(BadImage, match=advice):
        decode(data)


def test_what_an_encoder_raises_is_explained(pixels: RgbArray) -> None:
    with pytest.raises(BadImage, match="cannot be written as jpeg"):
        encode(Photo.of(pixels[:0], None, None, "jpeg"), "keep")


def test_a_heic_is_named() -> None:
    with pytest.raises(BadImage, match="HEIC"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))


@pytest.mark.parametrize("format_", ["BMP", "TGA"])
def test_other_formats_are_refused_by_content(pixels: RgbArray, format_: str) -> None:
    with pytest.raises(BadImage, match="allowed kind"):
        decode(saved(Image.fromarray(pixels[:32, :32]), format_))


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_animations_are_refused(pixels: RgbArray, format_: str) -> None:
    frames = [Image.fromarray(pixels[i : i + 32, :32]) for i in (0, 100, 200)]
    with pytest.raises(BadImage, match="animation"):
        decode(saved(frames[0], format_, save_all=True, append_images=frames[1:], duration=100))


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_an_animation_of_one_picture_is_a_picture(pixels: RgbArray, format_: str) -> None:
    frames = [Image.fromarray(pixels[at : at + 32, :48]) for at in (0, 100)]
    more = frames[1:] if format_ == "AVIF" else []
    data = bytearray(saved(frames[0], format_, save_all=True, append_images=more, duration=100))
    if more:  # Pillow writes no sequence of one picture, so this is one of two that tells of the first alone
        for table, at in ((b"stsz", 8), (b"stsc", 12)):
            struct.pack_into(">I", data, data.index(table) + 4 + at, 1)
    photo = decode(bytes(data))
    assert (photo.width, photo.height) == (48, 32)


def test_pixel_cap(pixels: RgbArray) -> None:
    data = saved(Image.fromarray(pixels[:20, :30]), "PNG")
    assert decode(data, max_pixels=600).width == 30
    with pytest.raises(BadImage, match="scale it down"):
        decode(data, max_pixels=599)


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_bombs_are_refused_from_their_header(side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(BadImage, match="scale it down"):
        decode(bomb)


@pytest.mark.parametrize(
    "read",
    [
        lambda: credit_of(exif=b"Exif\0\0" * 50_000),
        lambda: orientation_of(b"Exif\0\0" * 50_000),
        lambda: credit_of(xmp=b"<dc:creator>" * 16_600),
        lambda: credit_of(xmp=b"plus:DataMining" * 13_300),
        lambda: credit_of(iptc=b"8BIM\x03\xed\0\0\0\0\0\0" * 800_000),
    ],
    ids=["credit", "orientation", "creators", "statements", "resources"],
)
def test_words_that_repeat_are_read_in_a_moment(read: Callable[[], object]) -> None:
    began = time.process_time()
    read()
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize("said", ["DMI-PROHIBITED", "DMI-PROHIBITED-GENAIMLTRAINING", "DMI-ALLOWED", "DMI-UNSPECIFIED"])
@pytest.mark.parametrize("form", ["<plus:DataMining>{}</plus:DataMining>", '<x plus:DataMining="{}"/>'])
@pytest.mark.parametrize("prohibit", [False, True])
def test_what_a_photographer_says_about_training_stays(
    pixels: RgbArray, signs: Perturbation, said: str, form: str, prohibit: bool
) -> None:
    """See https://github.com/darktable-org/darktable/issues/19144. A copy says the stricter of both."""
    vocabulary = "http://ns.useplus.org/ldf/vocab/"
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{form.format(vocabulary + said)}</x:xmpmeta>'
    photo = Image.fromarray(pixels[:32, :32])
    done = protect_photo(saved(photo, "JPEG", xmp=packet.encode()), signs, boxes=(), prohibit_mining=prohibit)
    kept = vocabulary + ("DMI-PROHIBITED" if prohibit else said)
    stays = prohibit or "PROHIBITED" in said
    assert (f"<plus:DataMining>{kept}</plus:DataMining>".encode() in done.data) == stays
    assert (b"DataMining" in done.data) == stays


def test_unknown_format_lists_the_known_ones(pixels: RgbArray) -> None:
    with pytest.raises(UnknownName, match=r"gif.*jpeg, keep, png, webp"):
        encode(Photo.of(pixels, None, None, "png"), "gif")


def test_picture_too_long_for_its_format() -> None:
    long = Photo.of(np.zeros((1, 20_000, 3), dtype=np.uint8), None, None, "png")
    with pytest.raises(BadImage, match="ask for png"):
        encode(long, "webp")
    assert decode(encode(long, "png")).width == 20_000


@pytest.mark.parametrize("format_", ["avif", "jpeg", "webp"])
def test_the_longest_picture_of_a_format_can_be_read_again(format_: str) -> None:
    longest = Photo.of(np.zeros((1, MAX_SIDE[format_], 3), dtype=np.uint8), None, None, format_)
    assert decode(encode(longest, "keep")).width == MAX_SIDE[format_]
