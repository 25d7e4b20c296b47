"""Headers: what Pillow reads is accepted and measured alike, and what nothing reads is refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from app.contracts.problems import Problem, Unprocessable, UnsupportedMedia
from app.photos.inspection import check_fits, inspect
from perturbations.photo import decode
from tests.service.helpers.mutations import seeds
from tests.service.helpers.parts import box, chunk, part, segment

PICTURE = Image.linear_gradient("L").convert("RGB").resize((64, 48))
OTHER = PICTURE.transpose(Image.Transpose.ROTATE_180)


def written(kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    PICTURE.save(data, kind, **options)
    return data.getvalue()


JPEG, PNG = written("JPEG"), written("PNG")


def refusal(data: bytes, *, max_pixels: int = 1_000_000) -> str:
    with pytest.raises(Problem) as caught:
        inspect(data, max_pixels=max_pixels)
    return caught.value.detail


def webp_animation(frames: int) -> bytes:
    side = struct.pack("<I", 63)[:3] + struct.pack("<I", 47)[:3]
    frame = part(b"ANMF", bytes(6) + side + b"\x64\0\0\0" + written("WEBP")[12:])
    body = part(b"VP8X", b"\2\0\0\0" + side) + part(b"ANIM", bytes(6)) + frame * frames
    return part(b"RIFF", b"WEBP" + body)


def avif_sequence(frames: int) -> bytes:
    """A sequence of three frames, or of the first alone."""
    data = bytearray(written("AVIF", save_all=True, append_images=[OTHER] * 2))
    if frames == 1:
        claim(data, {b"stsz": 8, b"stsc": 12})
    return bytes(data)


def claim(data: bytearray, counts: dict[bytes, int], number: int = 1) -> None:
    """Write another count into a table of frames."""
    for kind, at in counts.items():
        struct.pack_into(">I", data, data.index(kind) + 4 + at, number)


@pytest.mark.parametrize("name", sorted(seeds()))
def test_sizes_are_those_of_pillow(name: str) -> None:
    data = seeds()[name]
    if name == "heic":
        source = inspect(data, max_pixels=1_000_000)
        assert (source.width, source.height) == pillow_heif.open_heif(io.BytesIO(data)).size
        return
    with Image.open(io.BytesIO(data)) as image:
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            assert "several frames" in refusal(data)
        else:
            source = inspect(data, max_pixels=1_000_000)
            assert (source.width, source.height) == image.size


@pytest.mark.parametrize(
    "data",
    [
        webp_animation(1),
        avif_sequence(1),
        PNG[:33] + chunk(b"acTL", struct.pack(">II", 1, 0)) + PNG[33:],
        PNG[:33] + chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", bytes(26)) + PNG[33:],
    ],
    ids=["webp", "avif", "png without its frame", "png"],
)
def test_an_animation_of_one_frame_is_a_picture(data: bytes) -> None:
    source = inspect(data, max_pixels=1_000_000)
    assert (source.width, source.height) == (64, 48)
    assert decode(data).pixels.shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        webp_animation(2),
        avif_sequence(3),
        written("PNG", save_all=True, append_images=[OTHER]),
        written("PNG", save_all=True, append_images=[OTHER], default_image=True),
    ],
    ids=["webp", "avif", "png", "png with a picture before its frame"],
)
def test_animations_are_refused(data: bytes) -> None:
    assert "several frames" in refusal(data)


def test_a_frame_behind_a_png_does_not_count() -> None:
    behind = PNG + chunk(b"fdAT", bytes(10))
    assert inspect(behind, max_pixels=1_000_000).width == decode(behind).width == 64


@pytest.mark.parametrize("times", [1, 2, 100])
def test_a_jpeg_that_starts_several_times_is_a_picture(times: int) -> None:
    data = b"\xff\xd8" * times + JPEG
    assert inspect(data, max_pixels=1_000_000).width == decode(data).width == 64


@pytest.mark.parametrize("table", [{b"stsz": 8}, {b"stsc": 12}, {b"stsc": 4}, {b"stco": 4}])
def test_a_sequence_that_claims_millions_of_frames_is_an_animation(table: dict[bytes, int]) -> None:
    data = bytearray(avif_sequence(1))
    claim(data, table, 2_000_000)
    assert "several frames" in refusal(bytes(data))


@pytest.mark.parametrize("kind", [b"tEXt", b"tIME", b"eXIf", b"abCd"])
def test_a_wrong_checksum_beside_the_picture_is_no_damage(kind: bytes) -> None:
    wrong = chunk(kind, b"Title\0text")[:-4] + b"oops"
    assert inspect(PNG[:33] + wrong + PNG[33:], max_pixels=1_000_000).width == 64


def test_a_wrong_checksum_of_the_first_chunk_is_damage() -> None:
    assert "damaged" in refusal(PNG[:29] + b"oops" + PNG[33:])


@pytest.mark.parametrize("bits", [2, 12, 16])
def test_a_jpeg_of_more_bits_is_named(bits: int) -> None:
    at = JPEG.index(b"\xff\xc0") + 4
    said = refusal(JPEG[:at] + bytes((bits,)) + JPEG[at + 1 :])
    assert f"{bits} bits" in said
    assert "Export it" in said
    assert "damaged" not in said


@pytest.mark.parametrize(
    ("marker", "said"), [(0xC5, "hierarchical"), (0xCF, "hierarchical"), (0xF7, "JPEG-LS"), (0xC0, "5 colour channels")]
)
def test_a_jpeg_of_another_sort_is_named(marker: int, said: str) -> None:
    at = JPEG.index(b"\xff\xc0")
    count = 5 if marker == 0xC0 else 3
    frame = segment(marker, struct.pack(">BHHB", 8, 48, 64, count) + bytes(3 * count))
    assert said in refusal(JPEG[:at] + frame + JPEG[at + 19 :])


def test_a_side_no_decoder_reads_is_told_to_scale_down_and_nothing_else() -> None:
    """Another format of the copy would not help."""
    at = JPEG.index(b"\xff\xc0")
    wide = JPEG[: at + 5] + struct.pack(">HH", 8, 65_535) + JPEG[at + 9 :]
    avif = bytearray(written("AVIF"))
    struct.pack_into(">II", avif, avif.index(b"ispe") + 8, 40_000, 8)
    for data in (wide, bytes(avif)):
        said = refusal(data)
        assert "Scale it down" in said
        assert "format=" not in said


def test_a_side_only_the_copy_cannot_have_is_told_to_use_png() -> None:
    data = io.BytesIO()
    Image.new("L", (70_000, 8)).save(data, "PNG")
    source = inspect(data.getvalue(), max_pixels=1_000_000)
    with pytest.raises(Unprocessable, match="format=png"):
        check_fits(source, "jpeg")
    check_fits(source, "png")


@pytest.mark.parametrize("depth", [(3, 16), (1, 8), (0, 3), (2, 4)])
def test_a_png_of_colours_there_are_none_of_is_damaged(depth: tuple[int, int]) -> None:
    head = struct.pack(">IIBBBBB", 64, 48, depth[1], depth[0], 0, 0, 0)
    assert "damaged" in refusal(PNG[:8] + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")))


@pytest.mark.parametrize("missing", [b"pitm", b"iloc", b"ipco", b"ipma", b"ispe"])
def test_an_avif_without_a_table_is_damaged(missing: bytes) -> None:
    assert "damaged" in refusal(written("AVIF").replace(missing, b"free"))


def test_the_size_of_an_avif_is_that_of_its_picture() -> None:
    """Other items, such as alpha or a tile, may have others; they come first here."""
    data = bytearray(written("AVIF"))
    at = data.index(b"ispe") - 4
    other = box(b"ispe", bytes(4) + struct.pack(">II", 7, 7))
    for folder in (b"meta", b"iprp", b"ipco"):
        place = data.index(folder) - 4
        struct.pack_into(">I", data, place, int.from_bytes(data[place : place + 4], "big") + len(other))
    ipma = data.index(b"ipma") + 4 + 8 + 3
    for place in range(ipma, ipma + data[ipma - 1]):
        data[place] += 1
    source = inspect(bytes(data[:at] + other + data[at:]), max_pixels=1_000_000)
    assert (source.width, source.height) == (64, 48)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0qt  mp42", "video"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"qoif", "QOI"),
        (b"BM\x36\0", "BMP"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_what_cannot_be_read_is_named(start: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=rf"^An? .*{name}.*cannot be read here\. Export it"):
        inspect(start + bytes(60), max_pixels=1_000_000)


@pytest.mark.parametrize("start", [b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"])
def test_a_bigtiff_is_told_to_become_an_ordinary_one(start: bytes) -> None:
    assert refusal(start + bytes(60)).startswith("The TIFF is a BigTIFF, made for files of more than 4 GB; save it as")


def test_sixteen_bits_of_grey_with_transparency_are_named() -> None:
    entries = [(256, 64), (257, 48), (258, 16), (259, 1), (262, 1), (273, 200), (277, 2), (278, 48), (279, 64 * 48 * 4)]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = struct.pack("<4sIH", b"II*\0", 8, len(entries)) + fields + bytes(90 + 64 * 48 * 4)
    assert "grey with transparency in 16 bits; save it with 8 bits" in refusal(data)
