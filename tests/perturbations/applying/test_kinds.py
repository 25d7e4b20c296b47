"""Photos in the kinds of files that phones, scanners and editors write: HEIC, GIF, TIFF, and PNG of 16 bits."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from perturbations.artifact import Perturbation
from perturbations.copies import about_copy
from perturbations.errors import BadImage
from perturbations.images import RgbArray
from perturbations.photo import decode, encode, output_format
from perturbations.photo.encode import quality_for
from perturbations.photo.jpeg_quality import quality_of
from perturbations.photo.tiff_pages import Unusable, page_of
from perturbations.protect import Source, protect_photo
from perturbations.quality import psnr
from tests.perturbations.applying.files import with_chunk

WHITE = 255


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def heic(image: Image.Image, *, tile: int = 0, **options: Any) -> bytes:
    """As phones write it: whole, or as a grid of tiles."""
    out = io.BytesIO()
    pillow_heif.options.GRID_TILE_SIZE = tile
    try:
        pillow_heif.from_pillow(image).save(out, quality=90, **options)
    finally:
        pillow_heif.options.GRID_TILE_SIZE = 0
    return out.getvalue()


@pytest.fixture(scope="module")
def small(pixels: RgbArray) -> Image.Image:
    """A part of the portrait."""
    return Image.fromarray(pixels[:96, 160:288])


def tiff_of(tags: dict[int, int]) -> bytes:
    """A TIFF of these entries alone."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("tile", [0, 64])
def test_a_heic_is_read_and_kept_as_a_jpeg(small: Image.Image, signs: Perturbation, tile: int) -> None:
    data = heic(small, tile=tile)
    photo = decode(data)
    assert (photo.format, photo.width, photo.height) == ("heic", 128, 96)
    assert psnr(photo.pixels, np.asarray(small)) > 35
    done = protect_photo(data, signs, boxes=())
    assert (done.format, done.media_type, done.source.format) == ("jpeg", "image/jpeg", "heic")
    assert any("HEIC files are read but not written" in note for note in done.notes)
    assert protect_photo(data, signs, format="png", boxes=()).format == "png"


@pytest.mark.parametrize(("orientation", "turn"), [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_270)])
def test_a_heic_is_turned_once(small: Image.Image, orientation: int, turn: Image.Transpose) -> None:
    """Phones write the turn into the container and into EXIF, and only the container counts."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode(heic(small, exif=exif.tobytes()))
    assert psnr(photo.pixels, np.asarray(small.transpose(turn))) > 35


def test_a_transparent_heic_is_kept_as_a_png(small: Image.Image) -> None:
    clear = small.copy()
    clear.putalpha(Image.linear_gradient("L").resize(small.size))
    photo = decode(heic(clear))
    assert photo.alpha is not None
    assert output_format(photo, "keep") == "png"
    assert output_format(photo, "jpeg") == "jpeg"


def test_the_profile_of_a_heic_is_kept(small: Image.Image) -> None:
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = decode(heic(small, icc_profile=icc))
    assert photo.icc is not None
    assert Image.open(io.BytesIO(encode(photo, "keep"))).info["icc_profile"] == photo.icc


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:200],
        lambda data: data.replace(b"hvcC", b"free"),
        lambda data: data.replace(b"infe", b"free"),
        lambda data: data.replace(b"hvc1", b"unci"),
        lambda data: data + data[data.index(b"meta") - 4 :],
        lambda data: data[: data.index(b"mdat") + 4] + bytes(len(data) - data.index(b"mdat") - 4),
    ],
    ids=["cut", "no head", "no items", "another codec", "two tables", "no pixels"],
)
def test_a_broken_heic_is_explained(small: Image.Image, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadImage, match=r"export|save it again"):
        decode(damage(heic(small)))


TIFFS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("RGB", {}),
    "LZW": ("RGB", {"compression": "tiff_lzw"}),
    "deflate": ("RGB", {"compression": "tiff_adobe_deflate"}),
    "PackBits": ("RGB", {"compression": "packbits"}),
    "alpha": ("RGBA", {}),
    "grey": ("L", {}),
    "bilevel": ("1", {}),
    "palette": ("P", {}),
    "CMYK": ("CMYK", {"compression": "tiff_lzw"}),
    "big-endian": ("I;16B", {}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_is_read_and_kept_as_a_png(small: Image.Image, signs: Perturbation, name: str) -> None:
    mode, options = TIFFS[name]
    picture = small.convert("L" if mode == "I;16B" else mode)
    if mode == "I;16B":
        deep = (np.asarray(picture).astype(np.uint16) * 257).astype(">u2")
        picture = Image.frombytes("I;16B", picture.size, deep.tobytes())
    data = saved(picture, "TIFF", **options)
    done = protect_photo(data, signs, boxes=())
    assert (done.format, done.source.format) == ("png", "tiff")
    assert done.quality.max_abs_diff <= 6
    expected = small.convert("L") if mode == "I;16B" else Image.open(io.BytesIO(data))
    change = decode(data).pixels.astype(int) - np.asarray(expected.convert("RGB"))
    assert np.abs(change).max() <= (1 if mode == "CMYK" else 0)


def test_metadata_of_a_tiff_stays_outside(small: Image.Image) -> None:
    out = saved(small, "TIFF", description="secret", software="secret", tiffinfo={34853: {1: "N"}, 65000: b"secret"})
    assert b"secret" in out
    assert b"secret" not in encode(decode(out), "keep")


def test_the_orientation_of_a_tiff_is_applied(small: Image.Image) -> None:
    photo = decode(saved(small, "TIFF", tiffinfo={274: 6}))
    np.testing.assert_array_equal(photo.pixels, np.asarray(small.transpose(Image.Transpose.ROTATE_270)))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: saved(p, "TIFF", compression="jpeg"), "JPEG compression"),
        (lambda p: saved(p.convert("1"), "TIFF", compression="group4"), "fax"),
        (lambda p: saved(p, "TIFF", save_all=True, append_images=[p]), "several pages"),
        (lambda p: saved(p.convert("F"), "TIFF"), "rare kind"),
        (lambda p: saved(p, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "raw photo"),
        (lambda p: saved(p, "TIFF", tiffinfo={254: 1}), "raw photo"),
        (lambda p: saved(p, "TIFF")[:-2000], "damaged"),
        (lambda p: saved(p, "TIFF", big_tiff=True), "BigTIFF, made for files of more than 4 GB; save it as an ordin"),
        (lambda _: tiff_of({256: 8, 257: 8, 258: 16, 262: 1, 277: 2, 273: 0, 279: 0}), "grey with transparency in 16"),
    ],
    ids=["jpeg", "fax", "pages", "float", "dng", "preview", "cut", "big", "deep grey"],
)
def test_other_tiffs_are_named(small: Image.Image, make: Callable[[Image.Image], bytes], why: str) -> None:
    with pytest.raises(BadImage, match=why):
        decode(make(small))


def test_a_tiff_of_16_bits_where_0_is_white_is_no_negative(small: Image.Image) -> None:
    data = bytearray(saved(Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) * 257), "TIFF"))
    data[data.index(struct.pack("<HHI", 262, 3, 1)) + 8] = 0
    with pytest.raises(BadImage, match="rare kind"):
        decode(bytes(data))


@pytest.mark.parametrize(
    ("side", "tile", "usual"),
    [(16, 1024, True), (16, 1040, False), (2000, 2000, True), (1100, 1280, True), (1500, 1776, False)],
)
def test_tiles_of_a_tiff_are_hardly_larger_than_the_picture(side: int, tile: int, usual: bool) -> None:
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 8, 325: 0}
    data = tiff_of(tags)
    if usual:
        assert page_of(data).width == side
    else:
        with pytest.raises(Unusable, match="tiles of an odd size"):
            page_of(data)


def test_a_tiff_with_a_thumbnail_behind_it_is_one_picture(small: Image.Image) -> None:
    thumbnail = small.resize((16, 12))
    data = bytearray(saved(small, "TIFF", save_all=True, append_images=[thumbnail]))
    at = second_directory(bytes(data))
    (count,) = struct.unpack_from("<H", data, at)
    tags = [struct.unpack_from("<H", data, at + 2 + 12 * n)[0] for n in range(count)]
    # the last entry becomes what tells of a thumbnail, the first of all
    entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    del entries[max(range(count), key=lambda n: tags[n])]
    data[at + 2 : at + 2 + 12 * count] = b"".join((struct.pack("<HHII", 254, 4, 1, 1), *entries))
    assert decode(bytes(data)).width == 128


def second_directory(data: bytes) -> int:
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    return int(struct.unpack_from("<I", data, first + 2 + 12 * count)[0])


def test_a_gif_is_read_and_kept_as_a_png(small: Image.Image, signs: Perturbation) -> None:
    data = saved(small.quantize(64), "GIF", comment=b"secret")
    done = protect_photo(data, signs, boxes=())
    assert (done.format, done.source.format) == ("png", "gif")
    assert b"secret" not in done.data
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode(data).pixels, expected)
    assert np.abs(decode(done.data).pixels.astype(int) - expected).max() <= 6


def test_a_gif_keeps_what_is_transparent(small: Image.Image) -> None:
    data = saved(small.quantize(64), "GIF", transparency=3)
    photo = decode(data)
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha == 0, np.asarray(small.quantize(64)) == 3)


def test_a_gif_of_one_small_frame_fills_its_screen(small: Image.Image) -> None:
    data = bytearray(saved(small.quantize(64), "GIF"))
    struct.pack_into("<HH", data, 6, 200, 150)
    photo = decode(bytes(data))
    assert (photo.width, photo.height) == (200, 150)
    np.testing.assert_array_equal(photo.pixels[:96, :128], np.asarray(small.quantize(64).convert("RGB")))


@pytest.mark.parametrize("extension", [b"\x21\xfe\x01a\x00" * 150_000, b"\x21\xfe" + b"\x01a" * 250_000 + b"\0"])
def test_an_animated_or_endless_gif_is_refused(small: Image.Image, extension: bytes) -> None:
    with pytest.raises(BadImage, match="more than one picture"):
        decode(saved(small, "GIF", save_all=True, append_images=[small.rotate(90)]))
    data = saved(small.quantize(8), "GIF")
    with pytest.raises(BadImage, match=r"more parts|damaged"):
        decode(data[: 13 + 24] + extension * 2 + data[13 + 24 :])


def deep_png(values: np.ndarray[Any, Any]) -> bytes:
    """A PNG of 16 bits in RGB."""
    import zlib

    from perturbations.photo.deep import chunk

    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def stored16(data: bytes) -> np.ndarray[Any, Any]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found[..., ::-1] if found.ndim == 3 and found.shape[2] == 3 else found[..., [2, 1, 0, 3]]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bits_stay_sixteen(pixels: RgbArray, signs: Perturbation, channels: int, orientation: int) -> None:
    rng = np.random.default_rng(0)
    values = pixels[:60, :80].astype(np.uint16) * 256 + rng.integers(0, 256, (60, 80, 3)).astype(np.uint16)
    if channels == 4:
        values = np.dstack((values, rng.integers(0, 65536, (60, 80)).astype(np.uint16)))
    data = deep_png(values)
    if orientation == 6:
        from perturbations.photo.deep import chunk

        exif = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
        data = data[:33] + chunk(b"eXIf", exif) + data[33:]
        values = np.rot90(values, -1)
    done = protect_photo(data, signs, boxes=())
    copy = stored16(done.data)
    assert copy.dtype == np.uint16
    change = copy[..., :3].astype(int) - values[..., :3]
    assert not (change % 256).any(), "only whole steps are added"
    assert 1 <= np.abs(change // 256).max() <= 6
    if channels == 4:
        np.testing.assert_array_equal(copy[..., 3], values[..., 3])
    assert done.quality.max_abs_diff == np.abs(change // 256).max()
    as_jpeg = protect_photo(data, signs, format="jpeg", boxes=())
    assert any("8 bits a colour" in note for note in as_jpeg.notes)
    assert not any("8 bits" in note for note in done.notes)


@pytest.mark.parametrize(("kind", "depth"), [("avif", 10), ("avif", 12), ("avif", 8), ("heic", 10), ("heic", 8)])
def test_bits_that_are_lost_in_decoding_are_told(pixels: RgbArray, kind: str, depth: int) -> None:
    photo = decode(_of_depth(pixels[:32, :32], kind, depth))
    said = about_copy(
        Source(kind, 32, 32, 10_000), "jpeg", asked="jpeg", size=1, bits=photo.bits, deep=False, opaque=True
    )
    assert said == ((f"The copy has 8 bits a colour; the photo had {depth}.",) if depth > 8 else ())


def _of_depth(pixels: RgbArray, kind: str, depth: int) -> bytes:
    """An AVIF or HEIC with so many bits a colour."""
    if kind == "avif":
        values = pixels if depth == 8 else pixels.astype(np.uint16) << (depth - 8)
        return cv2.imencode(".avif", values, [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_SPEED, 9])[1].tobytes()
    if depth == 8:
        return heic(Image.fromarray(pixels))
    out = io.BytesIO()
    deep = (pixels.astype(np.uint16) * 257).tobytes()
    pillow_heif.from_bytes("RGB;16", (pixels.shape[1], pixels.shape[0]), deep).save(out, quality=90)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "grey with opacity"])
def test_sixteen_bits_that_no_copy_keeps_are_told(pixels: RgbArray, signs: Perturbation, kind: str) -> None:
    values = pixels[:32, :32].astype(np.uint16) * 256 + 77
    data = cv2.imencode(".tiff", values)[1].tobytes() if kind == "TIFF" else deep_png(values[..., :2])
    done = protect_photo(data, signs, boxes=())
    assert done.format == "png"
    assert "The copy has 8 bits a colour; the photo had 16." in done.notes


def test_sixteen_bits_outside_the_face_are_the_same(pixels: RgbArray, signs: Perturbation) -> None:
    values = pixels.astype(np.uint16) * 256 + 77
    done = protect_photo(deep_png(values), signs, boxes=[(180, 60, 120, 120)])
    (region,) = done.regions
    change = stored16(done.data) != values
    change[region.y : region.y + region.height, region.x : region.x + region.width] = False
    assert not change.any()


@pytest.mark.parametrize("quality", [35, 60, 75, 85, 92, 95, 98, 100])
def test_the_quality_of_a_jpeg_is_found(small: Image.Image, quality: int) -> None:
    image = Image.open(io.BytesIO(saved(small, "JPEG", quality=quality)))
    tables = {number: bytes(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
    assert quality_of(tables) == quality
    assert decode(saved(small, "JPEG", quality=quality)).quality == quality


def test_a_copy_has_the_quality_of_its_source_where_the_protection_survives_that() -> None:
    assert quality_for(93, 400) == 93
    assert quality_for(75, 400) == 90
    assert quality_for(75, 200) == 95
    assert quality_for(75, 100) == quality_for(None, 100) == 97
    assert quality_for(99, 100) == 99
    assert quality_for(None, 400) == 90
    assert quality_for(None, None) == 95


def test_a_large_copy_says_so(small: Image.Image, signs: Perturbation) -> None:
    weak, strong = (protect_photo(saved(small, "JPEG", quality=q, subsampling=0), signs, boxes=()) for q in (30, 100))
    assert any("times as large as the photo" in note for note in weak.notes)
    assert not any("times as large" in note for note in strong.notes)
    assert len(strong.data) <= 1.5 * strong.source.bytes


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_and_two_tones_come_back_with_all_tones(small: Image.Image, signs: Perturbation, mode: str) -> None:
    data = saved(small.convert(mode), "PNG")
    copy = Image.open(io.BytesIO(protect_photo(data, signs, boxes=()).data))
    assert copy.mode == ("RGB" if mode == "P" else "L")
    before = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert 1 <= np.abs(np.asarray(copy.convert("RGB")) - before).max() <= 6


@pytest.mark.parametrize("kind", ["MPO", "gain map"])
def test_of_two_pictures_in_a_jpeg_the_first_is_protected(small: Image.Image, signs: Perturbation, kind: str) -> None:
    other = Image.new("L", (32, 24), 90)
    if kind == "MPO":
        data = saved(small, "MPO", save_all=True, append_images=[other.convert("RGB")])
    else:  # Ultra HDR: a map of how much brighter each part is on bright screens
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><hdrgm:Version>1.0</hdrgm:Version></x:xmpmeta>'
        data = saved(small, "JPEG", quality=95, xmp=xmp) + saved(other, "JPEG")
    done = protect_photo(data, signs, boxes=())
    assert (done.format, done.source.width, done.source.height) == ("jpeg", 128, 96)
    assert done.data.count(b"\xff\xd8\xff") == 1
    assert b"hdrgm" not in done.data


def told(data: bytes, transfer: int) -> bytes:
    """An AVIF that names another curve."""
    changed = bytearray(data)
    struct.pack_into(">HH", changed, data.index(b"colrnclx") + 8, 9, transfer)
    return bytes(changed)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_of_an_avif_is_kept_in_a_png_alone(
    pixels: RgbArray, signs: Perturbation, transfer: int
) -> None:
    """As the code points of ITU-T H.273, next to a profile for readers that do not know them."""
    data = told(_of_depth(pixels[:32, :32], "avif", 10), transfer)
    for format_, lost in (("keep", True), ("jpeg", True), ("webp", True), ("png", False)):
        done = protect_photo(data, signs, format=format_, boxes=())
        assert any("high dynamic range" in note for note in done.notes) == lost
        assert (b"cICP" + bytes((9, transfer, 0, 1)) in done.data) != lost
        assert decode(done.data).icc == decode(data).icc
    assert decode(protect_photo(data, signs, format="png", boxes=()).data).hdr == decode(data).hdr


def test_high_dynamic_range_of_a_heic_is_lost_and_told(small: Image.Image, signs: Perturbation) -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(small).save(out, quality=90, color_primaries=9, transfer_characteristics=16)
    done = protect_photo(out.getvalue(), signs, boxes=())
    assert done.format == "jpeg"
    assert any("high dynamic range" in note for note in done.notes)
    assert not any("dynamic" in note for note in protect_photo(heic(small), signs, boxes=()).notes)


def test_high_dynamic_range_of_greys_is_lost_and_told(signs: Perturbation) -> None:
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None] * 4, 64, 0)
    done = protect_photo(with_chunk(saved(Image.fromarray(ramp), "PNG"), b"cICP", bytes((9, 16, 0, 1))), signs)
    assert b"cICP" not in done.data
    assert any("only a PNG in colour keeps" in note for note in done.notes)
