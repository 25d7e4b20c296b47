"""Photos as people have them, after reports to other projects.

Each case makes its file, and names the report it stands for. What is right is what the report asks for.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pillow_heif
import pytest
import skimage
import torch
import typer
from PIL import Image, ImageCms
from typer.testing import CliRunner, Result

from app.photos.inspection import inspect
from perturbations import artifact
from perturbations.artifact import SHAPE, Perturbation
from perturbations.bounds import Linf
from perturbations.errors import BadImage
from perturbations.images import RgbArray
from perturbations.photo import decode
from perturbations.photo.deep import chunk
from perturbations.photo.statement import PROHIBITED
from perturbations.protect import Protected, protect_photo
from perturbations.quality import psnr
from tests.helpers.closed import close
from tests.service.helpers.mutations import heic
from worker.commands.protect import protect

SIGNS: Final = Perturbation("signs", Linf(0.05).signs(SHAPE, torch.Generator().manual_seed(0)), 0.05, {})
REPORTS: dict[str, str] = {}
"""Link by case."""
command = typer.Typer()
command.command()(protect)
Case = TypeVar("Case", bound=Callable[..., None])
GPS, ARTIST, COPYRIGHT, ORIENTATION = 0x8825, 0x013B, 0x8298, 0x0112
MOST_PIXELS: Final = 1_000_000


def reported(link: str) -> Callable[[Case], Case]:
    """Names the report of a case."""

    def note(case: Case) -> Case:
        REPORTS[case.__name__] = link
        return case

    return note


@pytest.fixture(scope="module")
def face() -> Image.Image:
    """A part of the astronaut, 128x96, without a profile."""
    return Image.fromarray(
        np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB"))[40:136, 160:288]
    )


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def protected(data: bytes, **options: Any) -> Protected:
    """Accepted by the front end, and protected by the engine."""
    inspect(data, max_pixels=MOST_PIXELS)
    return protect_photo(data, SIGNS, boxes=(), max_pixels=MOST_PIXELS, **options)


def opened(done: Protected) -> Image.Image:
    image = Image.open(io.BytesIO(done.data))
    image.load()
    return image


def near(done: Protected, wanted: Image.Image | RgbArray, *, least: float = 29.0) -> bool:
    """Whether the copy shows what is wanted, apart from the protection."""
    shown, right = decode(done.data).pixels, np.asarray(wanted)
    return shown.shape == right.shape and psnr(shown, right) > least


def xmp(done: Protected) -> str:
    return done.data[done.data.index(b"<x:xmpmeta") : done.data.index(b"</x:xmpmeta>")].decode()


def exif(**tags: Any) -> Image.Exif:
    """By the hexadecimal number of the tag, behind an x."""
    block = Image.Exif()
    for name, value in tags.items():
        block[int(name[1:], 16)] = value
    return block


def located(tags: list[tuple[int, int, int, bytes]], at: int) -> bytes:
    """A directory of EXIF that begins at ``at``, big-endian; number, type, count and value of each tag."""
    body, behind = struct.pack(">H", len(tags)), b""
    for number, kind, count, value in tags:
        place = struct.pack(">I", at + 6 + 12 * len(tags) + len(behind)) if len(value) > 4 else value.ljust(4, b"\0")
        behind += value if len(value) > 4 else b""
        body += struct.pack(">HHI", number, kind, count) + place
    return body + bytes(4) + behind


def in_adobe_rgb(space: int = 0xFFFF, index: bytes = b"R03\0") -> bytes:
    """EXIF as cameras write it for Adobe RGB."""
    first, second, third = 8, 26, 56
    return b"".join(
        (
            *(b"Exif\0\0MM\0*\0\0\0\x08", located([(0x8769, 4, 1, struct.pack(">I", second))], first)),
            located(
                [(0xA001, 3, 1, struct.pack(">H", space)), (0xA005, 4, 1, struct.pack(">I", third))],
                second,
            ),
            located([(1, 2, 4, index)], third),
        )
    )


def iptc(*texts: tuple[int, bytes]) -> bytes:
    """Datasets of the second record, by number."""
    return b"".join(b"\x1c\2" + bytes((number,)) + struct.pack(">H", len(text)) + text for number, text in texts)


def resource(number: int, content: bytes) -> bytes:
    """A resource of Photoshop's."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def with_segments(jpeg: bytes, marker: int, *bodies: bytes) -> bytes:
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for body in bodies)
    return jpeg[:2] + added + jpeg[2:]


# HEIC


@reported("https://github.com/Ruben2776/PicView/issues/207")
def test_a_heic_is_turned_by_its_container_and_not_by_exif_as_well(face: Image.Image) -> None:
    lying = heic(face, exif=exif(x0112=6).tobytes())
    assert near(protected(lying), face.transpose(Image.Transpose.ROTATE_270))


@reported("https://github.com/strukturag/libheif/issues/675")
def test_a_jpeg_that_is_called_heic_is_read_by_its_content(face: Image.Image) -> None:
    assert protected(saved(face, "JPEG", quality=95)).source.format == "jpeg"
    assert protected(heic(face)).source.format == "heic"


@reported("https://github.com/immich-app/immich/issues/29602")
def test_a_heic_of_many_references_is_read(face: Image.Image) -> None:
    """Recent iPhones write forty and more: tiles, thumbnails, gain maps."""
    data = bytearray(heic(face.resize((192, 128)), tile=64))
    at = data.index(b"iref") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    more = b"".join(struct.pack(">I4sHHH", 14, b"cdsc", 1000 + number, 1, 1) for number in range(45))
    for folder in (data.index(b"meta") - 4, at):
        struct.pack_into(">I", data, folder, int.from_bytes(data[folder : folder + 4], "big") + len(more))
    moved = moved_items(data, len(more))
    assert near(protected(moved[:end] + more + moved[end:]), face.resize((192, 128)))


def moved_items(data: bytearray, by: int) -> bytes:
    """With all places of items in the file moved by so many bytes."""
    at = data.index(b"iloc") + 4
    base, index = data[at + 5] >> 4, data[at + 5] & 15
    assert (data[at], data[at + 4], base, index) == (1, 0x44, 4, 0)
    place = at + 8
    for _ in range(int.from_bytes(data[at + 6 : at + 8], "big")):
        inner, place = data[place + 3] & 15, place + 6
        if not inner:
            struct.pack_into(">I", data, place, int.from_bytes(data[place : place + 4], "big") + by)
        place += 4 + 2 + 8 * int.from_bytes(data[place + 4 : place + 6], "big")
    return bytes(data)


@reported("https://github.com/libvips/libvips/issues/1574")
def test_a_heic_whose_sides_are_no_multiple_of_its_tiles_is_whole(face: Image.Image) -> None:
    odd = face.resize((201, 151))
    assert near(protected(heic(odd, tile=64)), odd)


@reported("https://github.com/monostream/tifig/issues/38")
def test_the_wide_colours_of_a_heic_are_kept(face: Image.Image) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = io.BytesIO()
    pillow_heif.from_pillow(face).save(out, quality=80, icc_profile=wide)
    assert opened(protected(out.getvalue())).info["icc_profile"] == decode(out.getvalue()).icc
    out = io.BytesIO()
    pillow_heif.from_pillow(face).save(out, quality=80, icc_profile=icc)
    assert "icc_profile" not in opened(protected(out.getvalue())).info, "it is none of RGB"


@reported("https://github.com/alexcorvi/heic2any/issues/52")
def test_what_is_transparent_in_a_heic_does_not_turn_black(face: Image.Image) -> None:
    clear = face.copy()
    clear.putalpha(0)
    done = protected(heic(clear))
    assert done.format == "png"
    assert opened(done).getchannel("A").getextrema() == (0, 0)
    flat = decode(protected(heic(clear), format="jpeg").data).pixels
    assert flat.min() >= 240, "on white"


@reported("https://github.com/photoprism/photoprism/issues/1596")
def test_of_several_pictures_in_a_heic_the_primary_one_is_protected(face: Image.Image) -> None:
    heif = pillow_heif.from_pillow(face)
    heif.add_from_pillow(face.transpose(Image.Transpose.ROTATE_180).resize((64, 48)))
    out = io.BytesIO()
    heif.save(out, quality=80, primary_index=0)
    assert near(protected(out.getvalue()), face)


@reported("https://github.com/strukturag/libheif/issues/480")
def test_a_heic_of_ten_bits_keeps_its_colours(face: Image.Image) -> None:
    deep = pillow_heif.from_bytes("RGB;16", face.size, (np.asarray(face).astype(np.uint16) * 257).tobytes())
    out = io.BytesIO()
    deep.save(out, quality=90)
    assert near(protected(out.getvalue()), face)


# 16 bits


def deep_png(values: np.ndarray[Any, Any], extra: bytes = b"") -> bytes:
    """A PNG of 16 bits, grey or RGB."""
    height, width = values.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, 0 if values.ndim == 2 else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@reported("https://github.com/lovell/sharp/issues/3809")
def test_65536_greys_stay_65536_greys() -> None:
    ramp = np.arange(65_536).reshape(256, 256)
    image = opened(protected(deep_png(ramp)))
    assert image.mode == "I;16"
    change = np.asarray(image).astype(int) - ramp
    assert np.abs(change).max() <= 6 * 257
    assert len(np.unique(np.asarray(image) & 255)) == 256, "finer shades are still there"


@reported("https://github.com/oven-sh/bun/pull/30463")
def test_the_low_byte_of_colours_survives(face: Image.Image) -> None:
    values = np.asarray(face).astype(np.uint16) * 256 + 77
    copy = protected(deep_png(values))
    header = copy.data[8:33]
    assert header[16] == 16, "bits"
    assert near(copy, face, least=28)


@reported("https://github.com/pearu/pylibtiff/issues/29")
def test_big_endian_tiffs_of_16_bits_are_not_swapped(face: Image.Image) -> None:
    grey = (np.asarray(face.convert("L")).astype(np.uint16) * 257).astype(">u2")
    data = saved(Image.frombytes("I;16B", face.size, grey.tobytes()), "TIFF")
    assert data.startswith(b"MM")
    assert near(protected(data), face.convert("L").convert("RGB"))


@reported("https://github.com/imazen/jxl-encoder/issues/71")
def test_high_dynamic_range_stays_or_its_loss_is_told(face: Image.Image) -> None:
    told = chunk(b"cICP", bytes((9, 16, 0, 1))), chunk(b"cLLI", bytes(7) + b"\1"), chunk(b"mDCV", bytes(24))
    data = deep_png(np.asarray(face).astype(np.uint16) * 257, b"".join(told))
    done = protected(data)
    assert all(kept in done.data[: done.data.index(b"IDAT")] for kept in told)
    assert not any("HDR" in note for note in done.notes)
    lost = protected(data, format="jpeg")
    assert "The copy has lost the photo's high dynamic range (HDR), which only a PNG in colour keeps." in lost.notes
    assert not any("HDR" in note for note in protected(deep_png(np.asarray(face)), format="jpeg").notes)


# TIFF


@reported("https://github.com/ruven/iipsrv/issues/147")
def test_the_orientation_of_a_tiff_counts(face: Image.Image) -> None:
    assert near(protected(saved(face, "TIFF", tiffinfo={ORIENTATION: 8})), face.transpose(Image.Transpose.ROTATE_90))


@reported("https://github.com/RawTherapee/RawTherapee/issues/3412")
def test_a_tiff_of_orientation_0_is_upright(face: Image.Image) -> None:
    assert near(protected(saved(face, "TIFF", tiffinfo={ORIENTATION: 0})), face)


@reported("https://github.com/image-rs/image-tiff/pull/297")
def test_a_tiff_where_0_is_white_is_no_negative(face: Image.Image) -> None:
    grey = face.convert("L")
    data = bytearray(saved(Image.fromarray(255 - np.asarray(grey)), "TIFF"))
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    assert data[at + 8] == 1
    data[at + 8] = 0
    assert near(protected(bytes(data)), grey.convert("RGB"))


@reported("https://github.com/ImageMagick/ImageMagick/issues/6094")
def test_cmyk_in_a_tiff_is_not_inverted(face: Image.Image) -> None:
    assert near(protected(saved(face.convert("CMYK"), "TIFF", compression="tiff_lzw")), face)


@reported("https://github.com/Tichau/FileConverter/issues/623")
def test_a_tiff_of_several_pages_is_not_cut_down_silently(face: Image.Image) -> None:
    with pytest.raises(BadImage, match="several pages; save the page you want"):
        decode(saved(face, "TIFF", save_all=True, append_images=[face]))


@reported("https://github.com/sindresorhus/file-type/issues/480")
def test_a_dng_is_no_tiff(face: Image.Image) -> None:
    with pytest.raises(BadImage, match="raw photo of a camera; export it as JPEG"):
        decode(saved(face, "TIFF", tiffinfo={50706: b"\1\4\0\0"}))


@reported("https://github.com/libvips/libvips/issues/1416")
def test_the_preview_in_a_raw_photo_is_not_taken_for_it(face: Image.Image) -> None:
    with pytest.raises(BadImage, match="raw photo"):
        decode(saved(face.resize((16, 12)), "TIFF", tiffinfo={254: 1}))


@reported("https://github.com/photopea/UTIF.js/issues/142")
def test_a_tiff_whose_pages_go_round_in_a_circle_is_read_once(face: Image.Image) -> None:
    data = bytearray(saved(face, "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    with pytest.raises(BadImage, match="several pages"):
        decode(bytes(data))


@reported("https://github.com/SpeciesFileGroup/taxonworks/issues/1139")
def test_a_drawing_of_two_tones_keeps_both(face: Image.Image) -> None:
    drawing = face.convert("1")
    shown = decode(protected(saved(drawing, "TIFF")).data).pixels[:, :, 0]
    np.testing.assert_array_equal(shown > 127, np.asarray(drawing))


@reported("https://github.com/drewnoakes/metadata-extractor/issues/19")
def test_the_byline_in_a_tiff_stays(face: Image.Image) -> None:
    said = iptc((80, b"Agency"), (116, b"Agency/2026"))
    for tag, block in ((33723, said), (34377, resource(1005, bytes(16)) + resource(0x0404, said))):
        copy = xmp(protected(tagged_tiff(face, tag, 7, block)))
        assert "<rdf:li>Agency</rdf:li>" in copy
        assert "Agency/2026" in copy


@reported("https://github.com/RawTherapee/RawTherapee/issues/1574")
@pytest.mark.parametrize("swapped", [False, True])
def test_the_byline_in_a_tiff_may_be_written_as_numbers(face: Image.Image, swapped: bool) -> None:
    said = iptc((80, b"Agency"))
    said += bytes(-len(said) % 4)
    if swapped:
        said = np.frombuffer(said, ">u4").astype("<u4").tobytes()
    assert "<rdf:li>Agency</rdf:li>" in xmp(protected(tagged_tiff(face, 33723, 4, said)))


def tagged_tiff(image: Image.Image, tag: int, kind: int, value: bytes) -> bytes:
    """A little-endian TIFF with one more entry, of bytes (7) or of numbers of four bytes (4)."""
    data = saved(image, "TIFF")
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    entry = struct.pack("<HHII", tag, kind, len(value) // (4 if kind == 4 else 1), len(data))
    end = first + 2 + 12 * count
    moved = struct.pack("<H", count + 1) + data[first + 2 : end] + entry + data[end : end + 4]
    start = len(data) + len(value) + len(value) % 2
    return data[:4] + struct.pack("<I", start) + data[8:] + value + bytes(len(value) % 2) + moved


# GIF


@reported("https://github.com/MattWilcox/Adaptive-Images/issues/126")
def test_what_is_transparent_in_a_gif_does_not_turn_black(face: Image.Image) -> None:
    palette = face.quantize(32)
    done = protected(saved(palette, "GIF", transparency=5))
    np.testing.assert_array_equal(np.asarray(opened(done).getchannel("A")) == 0, np.asarray(palette) == 5)
    flat = decode(protected(saved(palette, "GIF", transparency=5), format="jpeg").data).pixels
    assert flat[np.asarray(palette) == 5].mean() > 200


@reported("https://github.com/python-pillow/Pillow/issues/8920")
def test_a_gif_whose_frame_lies_outside_its_screen_is_as_large_as_its_screen(face: Image.Image) -> None:
    data = bytearray(saved(face.quantize(32), "GIF"))
    at = data.index(b"\x2c\0\0\0\0")
    struct.pack_into("<HH", data, at + 1, 26_020, 28_016)
    photo = decode(bytes(data), max_pixels=MOST_PIXELS)
    assert (photo.width, photo.height) == (128, 96)


@reported("https://github.com/image-rs/image/issues/1455")
def test_a_gif_whose_frame_is_larger_than_its_screen_is_cut(face: Image.Image) -> None:
    data = bytearray(saved(face.quantize(32), "GIF"))
    struct.pack_into("<HH", data, 6, 64, 48)
    photo = decode(bytes(data))
    np.testing.assert_array_equal(photo.pixels, np.asarray(face.quantize(32).convert("RGB"))[:48, :64])


@reported("https://github.com/python-pillow/Pillow/pull/3479")
def test_a_gif_with_an_empty_comment_is_read(face: Image.Image) -> None:
    data = saved(face.quantize(32), "GIF")
    at = data.index(b"\x2c\0\0\0\0")
    assert near(protected(data[:at] + b"!\xfe\0" + data[at:]), face.quantize(32).convert("RGB"))


@reported("https://github.com/drewnoakes/metadata-extractor/issues/201")
@pytest.mark.parametrize("behind", [False, True])
def test_the_creator_in_a_gif_stays(face: Image.Image, behind: bool) -> None:
    """XMP is not cut into pieces there; what follows it leads other readers to its end."""
    data = saved(face.quantize(32), "GIF")
    said = b"<x:xmpmeta><dc:creator><rdf:Seq><rdf:li>Ana</rdf:li></rdf:Seq></dc:creator></x:xmpmeta>"
    block = b"!\xff\x0bXMP DataXMP" + said + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    at = len(data) - 1 if behind else data.index(b"\x2c\0\0\0\0")
    done = protected(data[:at] + block + data[at:])
    assert "<rdf:li>Ana</rdf:li>" in xmp(done)
    assert near(done, face.quantize(32).convert("RGB"))


# JPEG


@reported("https://github.com/photoprism/photoprism/pull/5178")
@pytest.mark.parametrize("space", [0xFFFF, 2])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_adobe_rgb_that_only_exif_tells_is_kept(face: Image.Image, kind: str, space: int) -> None:
    icc = opened(protected(saved(face, kind, exif=in_adobe_rgb(space)))).info["icc_profile"]
    green = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.green_primary
    assert green is not None
    assert green[0] == pytest.approx((0.2053, 0.6257, 0.0609), abs=0.001)


@reported("https://github.com/python-pillow/Pillow/issues/3270")
def test_a_profile_comes_before_what_exif_tells_of_colours(face: Image.Image) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    done = protected(saved(face, "JPEG", exif=in_adobe_rgb(), icc_profile=srgb))
    assert opened(done).info["icc_profile"] == decode(saved(face, "JPEG", icc_profile=srgb)).icc
    for other in (in_adobe_rgb(1), in_adobe_rgb(index=b"R98\0"), in_adobe_rgb()[:-14]):
        assert "icc_profile" not in opened(protected(saved(face, "JPEG", exif=other))).info


@reported("https://github.com/danbooru/danbooru/issues/3960")
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_half_a_jpeg_filled_up_with_zeros_is_refused(face: Image.Image, options: dict[str, Any], end: bytes) -> None:
    data = saved(face.resize((512, 384)), "JPEG", quality=92, **options)
    for share in (0.5, 0.8, 0.95):
        kept = int(share * len(data))
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            protected(data[:kept] + bytes(len(data) - kept) + end)


@reported("https://github.com/mozilla/pdf.js/pull/7656")
def test_a_whole_jpeg_filled_up_with_zeros_is_whole(face: Image.Image) -> None:
    data = saved(face, "JPEG", quality=92)
    for end in (b"", b"\xff\xd9"):
        assert np.array_equal(decode(data[:-2] + bytes(5000) + end).pixels, decode(data).pixels)


@reported("https://github.com/Bodmer/JPEGDecoder/issues/39")
def test_a_hole_in_a_jpeg_is_found(face: Image.Image) -> None:
    large = face.resize((512, 384))
    data = saved(large, "JPEG", quality=92)
    middle = len(data) // 2
    with pytest.raises(BadImage, match="a part of the picture is missing"):
        protected(data[:middle] + bytes(100) + data[middle + 100 :])
    rows = saved(large, "JPEG", quality=92, restart_marker_rows=1)
    third, sixth = (rows.index(bytes((0xFF, 0xD0 + number))) for number in (2, 5))
    assert protected(rows).source.width == 512
    for gone in (rows[:third] + rows[sixth:], rows[:third] + rows[rows.index(b"\xff\xd2", third + 2) :]):
        with pytest.raises(BadImage, match="a part of the picture is missing"):
            protected(gone)


@reported("https://github.com/deckerst/aves/issues/1185")
def test_the_gain_map_of_an_ultra_hdr_photo_is_no_second_photo(face: Image.Image) -> None:
    about = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><hdrgm:Version>1.0</hdrgm:Version></x:xmpmeta>'
    done = protected(saved(face, "JPEG", quality=95, xmp=about) + saved(face.convert("L").resize((32, 24)), "JPEG"))
    assert near(done, face)
    assert b"hdrgm" not in done.data
    assert getattr(opened(done), "n_frames", 1) == 1


@reported("https://github.com/marcinz606/NegPy/issues/224")
def test_a_jpeg_has_full_colour_resolution(face: Image.Image) -> None:
    """At half of it, what protects is lost; see ``perturbations.photo.encode``."""
    from PIL import JpegImagePlugin

    assert JpegImagePlugin.get_sampling(opened(protected(saved(face, "JPEG", quality=90)))) == 0


@reported("https://github.com/image-rs/image/issues/1625")
def test_a_copy_that_is_much_larger_says_so(face: Image.Image) -> None:
    done = protected(saved(face, "JPEG", quality=40))
    assert len(done.data) > 1.5 * done.source.bytes
    assert any("times as large as the photo" in note for note in done.notes)


# Names and rights


@reported("https://github.com/mastodon/mastodon/issues/25985")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_copyright_stays_and_the_place_goes(face: Image.Image, kind: str) -> None:
    block = exif(x013B="Ana Photographer", x8298="(c) 2026 Ana", x010F="Camera", x0131="Editor")
    block.get_ifd(GPS).update({1: "N", 2: (48.0, 51.0, 29.0)})
    done = protected(saved(face, kind, exif=block))
    assert "<rdf:li>Ana Photographer</rdf:li>" in xmp(done)
    assert "(c) 2026 Ana" in xmp(done)
    kept = opened(done).getexif()
    assert dict(kept) == {ARTIST: "Ana Photographer", COPYRIGHT: "(c) 2026 Ana"}
    assert b"Camera" not in done.data


@reported("https://github.com/contao/image/issues/80")
def test_the_byline_of_a_picture_agency_stays(face: Image.Image) -> None:
    sets = iptc((80, b"Agency"), (116, b"Agency/2026"), (25, b"keyword"), (90, b"Paris"))
    block = b"Photoshop 3.0\0" + resource(0x0404, sets)
    done = protected(with_segments(saved(face, "JPEG", quality=95), 0xED, block))
    assert "<rdf:li>Agency</rdf:li>" in xmp(done)
    assert "Agency/2026" in xmp(done)
    assert b"Paris" not in done.data
    assert b"keyword" not in done.data


@reported("https://github.com/mattiasw/ExifReader/issues/595")
@pytest.mark.parametrize("cut", [0, 5, 20])
def test_a_byline_in_several_segments_stays(face: Image.Image, cut: int) -> None:
    """One after another, or split anywhere."""
    blocks = resource(1005, bytes(16)) + resource(0x0404, iptc((80, b"Agency"), (116, b"Agency/2026")))
    parts = [b"Photoshop 3.0\0" + part for part in (blocks[: 28 + cut], blocks[28 + cut :])]
    copy = xmp(protected(with_segments(saved(face, "JPEG", quality=95), 0xED, *parts)))
    assert "<rdf:li>Agency</rdf:li>" in copy
    assert "Agency/2026" in copy


@reported("https://github.com/wesnoth/wesnoth/issues/9312")
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_the_author_in_the_texts_of_a_png_stays(face: Image.Image, kind: bytes) -> None:
    plain = saved(face, "PNG")
    at = plain.index(b"IDAT") - 4
    for keyword, text in ((b"Author", "Zoë"), (b"Copyright", "© 2026 Zoë"), (b"Comment", "in Paris")):
        body = {
            b"tEXt": text.encode("latin-1"),
            b"zTXt": b"\0" + zlib.compress(text.encode("latin-1")),
            b"iTXt": b"\0\0fr\0Auteur\0" + text.encode(),
        }[kind]
        plain = plain[:at] + chunk(kind, keyword + b"\0" + body) + plain[at:]
    done = protected(plain)
    assert "<rdf:li>Zoë</rdf:li>" in xmp(done)
    assert "© 2026 Zoë" in xmp(done)
    assert b"Paris" not in done.data


@reported("https://github.com/PHPExif/php-exif/issues/46")
@pytest.mark.parametrize(("encoding", "kind"), [("utf-8", 2), ("latin-1", 2), ("utf-8", 129)])
def test_a_copyright_sign_in_either_encoding_is_one(face: Image.Image, encoding: str, kind: int) -> None:
    """EXIF 3.0 has a type of its own for UTF-8."""
    text = "© Zoë".encode(encoding) + b"\0"
    entry = struct.pack(">HHHII", 1, COPYRIGHT, kind, len(text), 26)
    block = b"Exif\0\0MM\0*\0\0\0\x08" + entry + bytes(4) + text
    assert "© Zoë" in xmp(protected(saved(face, "JPEG", exif=block)))


@reported("https://github.com/imgproxy/imgproxy/issues/771")
def test_what_xmp_says_of_the_creator_comes_first_and_is_harmless(face: Image.Image) -> None:
    said = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description><dc:creator><rdf:Seq><rdf:li>A &lt;b&gt;'
        b"</rdf:li><rdf:li>B\x00\xe2\x80\xae</rdf:li></rdf:Seq></dc:creator><dc:rights><rdf:Alt>"
        b'<rdf:li xml:lang="x-default">Rights</rdf:li><rdf:li xml:lang="fr">Droits</rdf:li></rdf:Alt></dc:rights>'
        b"<photoshop:City>Paris</photoshop:City></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    done = protected(saved(face, "JPEG", quality=95, xmp=said, exif=exif(x013B="Other")))
    assert "<rdf:li>A &lt;b&gt;; B</rdf:li>" in xmp(done)
    assert re.search("Rights(?!.*Droits)", xmp(done))
    assert b"Paris" not in done.data
    assert b"Other" not in done.data


@reported("https://github.com/darktable-org/darktable/issues/19144")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_copies_say_that_nobody_may_train_on_them(face: Image.Image, kind: str) -> None:
    data = saved(face, kind)
    assert f"<plus:DataMining>{PROHIBITED}</plus:DataMining>" in xmp(protected(data))
    assert b"xmpmeta" not in protected(data, prohibit_mining=False).data


# Folders


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For photos that the command protects, with a version that the test installs."""
    monkeypatch.setattr(artifact, "SHIPPED", tmp_path / "installed")
    artifact.save(tmp_path / "installed" / "one", SIGNS.delta, epsilon=0.05, weighting="uniform", sidecar={})
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def run(*given: Path) -> Result:
    return CliRunner().invoke(command, [*map(str, given), "--out", str(given[0].parent / "out")])


def made(folder: Path) -> set[str]:
    return {path.name for path in (folder.parent / "out").rglob("*") if path.is_file()}


@reported("https://github.com/RhetTbull/osxphotos/issues/2111")
def test_a_heic_and_a_jpeg_of_one_name_both_get_a_copy(face: Image.Image, folder: Path) -> None:
    (folder / "IMG_2.heic").write_bytes(heic(face))
    (folder / "IMG_2.jpg").write_bytes(saved(face.transpose(Image.Transpose.ROTATE_180), "JPEG"))
    assert run(folder).exit_code == 0
    assert made(folder) == {"IMG_2.heic.jpg", "IMG_2.jpg"}
    copy = folder.parent / "out" / "IMG_2.heic.jpg"
    before = copy.read_bytes()
    assert run(folder / "IMG_2.jpg").exit_code == 0
    assert copy.read_bytes() == before
    assert psnr(decode(before).pixels, np.asarray(face)) > 29


@reported("https://github.com/RhetTbull/osxphotos/issues/1540")
def test_copies_differ_in_more_than_case(face: Image.Image, folder: Path) -> None:
    """On a disk that does not tell cases apart, one would replace the other."""
    (folder / "IMG_1.HEIC").write_bytes(heic(face))
    (folder / "img_1.jpg").write_bytes(saved(face, "JPEG"))
    assert run(folder).exit_code == 0
    assert len({name.casefold() for name in made(folder)}) == 2


@reported("https://github.com/tchx84/Portfolio/issues/77")
def test_a_folder_that_cannot_be_read_is_told(face: Image.Image, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "one.jpg").write_bytes(saved(face, "JPEG"))
    (folder / "closed").mkdir()
    close(monkeypatch, "closed")
    result = run(folder)
    assert result.exit_code == 1
    assert f"{folder / 'closed'}: this folder cannot be read" in result.stderr
    assert made(folder) == {"one.jpg"}


def test_there_are_enough_cases_and_each_names_its_report() -> None:
    assert len(REPORTS) >= 25
    assert all(re.fullmatch(r"https://github\.com/[^/]+/[^/]+/(issues|pull)/\d+", link) for link in REPORTS.values())
    cases = {name for name in globals() if name.startswith("test_")}
    assert cases - {test_there_are_enough_cases_and_each_names_its_report.__name__} == REPORTS.keys()
    assert len(set(REPORTS.values())) == len(REPORTS)
