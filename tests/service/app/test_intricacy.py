"""Files of more parts than a decoder gets through: refused by the front end and by the engine, in a moment."""

from __future__ import annotations

import io
import re
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.contracts.problems import ImageTooLarge, Unprocessable
from app.photos.hevc import Heic, Odd, coded_size, heic_of
from app.photos.inspection import inspect
from app.photos.intricacy import MAX_CHUNKS, MAX_SCANS, MAX_SEGMENTS, boxes, too_intricate
from perturbations.errors import BadImage
from perturbations.photo import decode
from tests.service.helpers.mutations import heic, seeds
from tests.service.helpers.parts import box, chunk, full_box, part, segment

ROOT = Path(__file__).parents[3]
SMALL = Image.linear_gradient("L").convert("RGB").resize((64, 48))
MOMENT = 1.0
"""Seconds of a processor for a file of the largest size that is taken."""


def written(kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    SMALL.save(data, kind, **options)
    return data.getvalue()


def scans(count: int, *, frame: int = 0xC2) -> bytes:
    """A grey JPEG in so many scans, of which none has any data."""
    size = struct.pack(">BHHB3B", 8, 48, 64, 1, 1, 0x11, 0)
    first, other = bytes((1, 1, 0, 0, 0, 0)), bytes((1, 1, 0, 1, 63, 0))
    tables = segment(0xDB, b"\0" + b"\1" * 64) + b"".join(
        segment(0xC4, bytes((ident,)) + b"\1" + bytes(15) + b"\0") for ident in (0x00, 0x10)
    )
    body = b"".join(segment(0xDA, other) + b"\x7f" for _ in range(count - 1))
    return b"\xff\xd8" + tables + segment(frame, size) + segment(0xDA, first) + b"\x7f" + body + b"\xff\xd9"


def items(count: int) -> bytes:
    """A readable AVIF with so many items more, which are nowhere."""
    data = bytearray(written("AVIF"))
    more = b"".join(struct.pack(">HHH", 100 + number, 0, 0) for number in range(count))
    for folder in (b"meta", b"iloc"):
        grow(data, data.index(folder) - 4, len(more))
    at = data.index(b"iloc")
    struct.pack_into(">H", data, at + 10, 1 + count)
    grow(data, at + 18, len(more))  # where the pixels are
    return bytes(data[: data.index(b"iinf") - 4] + more + data[data.index(b"iinf") - 4 :])


def grow(data: bytearray, at: int, by: int) -> None:
    """Add to a number of four bytes."""
    struct.pack_into(">I", data, at, int.from_bytes(data[at : at + 4], "big") + by)


def layers(count: int, *, layer: int = 1) -> bytes:
    """An AVIF of so many frames, of which a layer is wanted that none of them is in."""
    data = bytearray(written("AVIF"))
    wanted, at = box(b"lsel", struct.pack(">H", layer)), data.index(b"ipma") - 4
    for folder in (b"meta", b"iprp", b"ipco"):
        grow(data, data.index(folder) - 4, len(wanted))
    for folder in (b"meta", b"iprp", b"ipma"):
        grow(data, data.index(folder) - 4, 1)
    count_at = at + 8 + 8 + 2
    data[count_at] += 1
    data.insert(count_at + data[count_at], 0x80 | data[count_at])
    data[at:at] = wanted
    pixels = bytes(data[data.index(b"mdat") + 4 :])
    grow(data, data.index(b"iloc") + 18, len(wanted) + 1)
    grow(data, data.index(b"iloc") + 22, len(pixels) * (count - 1))
    return bytes(data[: data.index(b"mdat") - 4]) + box(b"mdat", pixels * count)


def tiles(count: int) -> bytes:
    """A HEIC whose grid shows its first tile so many times."""
    data = bytearray(heic(SMALL.resize((128, 64)), tile=64))
    at = data.index(b"dimg")
    item = data[at + 8 : at + 10]
    struct.pack_into(">H", data, at + 6, count)
    for folder in (data.index(b"meta") - 4, data.index(b"iref") - 4, at - 4):
        grow(data, folder, 2 * (count - 2))
    return bytes(data[: at + 8]) + bytes(item) * count + bytes(data[at + 12 :])


def tables(brand: bytes, *, places: bytes, references: bytes = b"") -> bytes:
    """A file of nothing but tables: one item, where items are, and what they refer to."""
    item = struct.pack(">H", 1) + full_box(b"infe", struct.pack(">HH", 1, 0) + b"hvc1\0", version=2)
    properties = box(b"ipco") + full_box(b"ipma", bytes(4))
    body = full_box(b"pitm", struct.pack(">H", 1)) + full_box(b"iinf", item) + box(b"iprp", properties)
    body += full_box(b"iloc", places) + full_box(b"iref", references)
    return box(b"ftyp", brand + bytes(4) + brand) + full_box(b"meta", body)


def endless_pieces(count: int) -> bytes:
    """The places of so many items, each of 65,535 pieces that take no bytes to tell."""
    items = b"".join(struct.pack(">HHH", 1 + number, 0, 0xFFFF) for number in range(count))
    return b"\0\0" + struct.pack(">H", count) + items


def claiming_sequence(width: int) -> bytes:
    """A HEIC whose stream holds another size than its boxes say: one that takes gigabytes to decode."""
    data = heic(SMALL)
    at = data.index(b"hvcC") + 4 + 23
    units = []
    for _ in range(data[at - 1]):
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        units.append((at, length))
        at += 5 + length
    begin, length = next((at, length) for at, length in units if data[at] & 63 == 33)
    bits = "".join(f"{byte:08b}" for byte in data[begin + 5 : begin + 5 + length].replace(b"\0\0\3", b"\0\0"))
    start = 16 + 4 + 3 + 1 + 96  # of the numbers of variable length: identifier, colours, width, height
    head, at = bits[:start], start
    for _ in range(4):
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
    told = head + "1" + "010" + _exponential(width) * 2 + bits[at:]
    body = bytes(int(told[n : n + 8].ljust(8, "0"), 2) for n in range(0, len(told), 8))
    escaped = re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", body)[:length].ljust(length, b"\x80")
    return data[: begin + 5] + escaped + data[begin + 5 + length :]


def _exponential(value: int) -> str:
    return f"{value + 1:b}".rjust(2 * (value + 1).bit_length() - 1, "0")


def entries(count: int) -> bytes:
    """A TIFF with so many entries, each of which is the whole file."""
    entry = struct.pack("<HHII", 65_000, 7, 20_000_000, 0)
    return b"II*\0" + struct.pack("<IH", 8, count) + entry * count + bytes(20_000_000)


JPEG, PNG, WEBP, GIF = written("JPEG"), written("PNG"), written("WEBP"), written("GIF")
HOSTILE: dict[str, bytes] = {
    "JPEG of 60,000 scans": scans(60_000),
    "JPEG of one scan too many": scans(MAX_SCANS + 1),
    "JPEG of 21 arithmetic scans": scans(21, frame=0xCA),
    "JPEG of many scans that starts anew": scans(5_000).replace(b"\xff\xda", b"\xff\xd8\xff\xda", 1),
    "JPEG of a million comments": JPEG[:2] + segment(0xFE) * 1_000_000 + JPEG[2:],
    "JPEG of a million comments between scans": JPEG[:-2] + segment(0xFE) * 1_000_000 + JPEG[-2:],
    "JPEG of filling": JPEG[:2] + segment(0xFE) + bytes(10_000_000) + JPEG[2:],
    "JPEG of nothing but filling": JPEG[:2] + segment(0xFE) + bytes(10_000_000),
    "PNG of a million chunks": PNG[:33] + chunk(b"abCd") * 1_000_000 + PNG[33:],
    "PNG of a million empty pieces": PNG[:33] + chunk(b"IDAT") * 1_000_000 + PNG[33:],
    "WebP of a million chunks": WEBP + part(b"abcd") * 1_000_000,
    "AVIF of 50,000 items": items(50_000),
    "AVIF of a million boxes": written("AVIF") + box(b"moov", box(b"trak") * 1_000_000),
    "AVIF of a million boxes in boxes": written("AVIF") + struct.pack(">I4s", 2**31 - 1, b"moov") * 1_000_000,
    "AVIF of 1,000 frames": layers(1_000),
    "HEIC of 50,000 tiles": tiles(50_000),
    "HEIC of tiles that are the same": tiles(2_500),
    "HEIC of endless pieces": tables(b"heic", places=endless_pieces(5_000)),
    "HEIC of a million boxes": heic(SMALL) + box(b"moov", box(b"trak") * 1_000_000),
    "GIF of 12 million pieces": written("GIF")[:-1] + b"!\xfe" + b"\1a" * 12_000_000,
    "GIF of a million comments": GIF[:781] + b"!\xfe\1a\0" * 1_000_000 + GIF[781:],
    "TIFF of 60,000 entries": entries(60_000),
    "AVIF with items behind a box that lies": written("AVIF")
    + box(b"moov", struct.pack(">I4s", 2**31, b"free"))
    + box(b"trak", full_box(b"meta", full_box(b"iloc", bytes(40_000)))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_of_too_many_parts_are_refused_in_a_moment(name: str) -> None:
    began = time.process_time()
    with pytest.raises(Unprocessable, match=r"^The \w+ (has more|is made of).*save it again"):
        inspect(HOSTILE[name], max_pixels=1_000_000)
    with pytest.raises(BadImage, match="save it again"):
        decode(HOSTILE[name])
    assert time.process_time() - began < MOMENT


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + segment(0xE0) + b"\xff\0" * 12_000_000,
        b"\xff\xd8" + segment(0xE0) + b"\xff" * 25_000_000,
        b"\xff\xd8" + segment(0xE0) + segment(0xDA) + b"\xff\xd0" * 12_000_000,
    ],
    ids=["stuffing", "fill bytes", "restarts"],
)
def test_the_bytes_are_passed_over_quickly(data: bytes) -> None:
    began = time.process_time()
    too_intricate(data)
    assert time.process_time() - began < MOMENT


def test_the_pieces_of_an_avif_take_bytes_to_tell() -> None:
    began = time.process_time()
    too_intricate(tables(b"avif", places=endless_pieces(2_000)))
    assert time.process_time() - began < MOMENT


def test_a_piece_may_be_told_by_where_its_item_begins() -> None:
    data = tables(b"heic", places=b"\0\x40" + struct.pack(">HHHIH", 1, 1, 0, 77, 1))
    assert heic_of(data, boxes(data)).places == {1: [(77, 0)]}


def test_references_end_where_their_box_ends() -> None:
    claims = (struct.pack(">I4sHHH", 14, b"dimg", 1 + number, 0xFFFF, 7) for number in range(100))
    data = tables(b"heic", places=b"\0\0\0\0", references=b"".join(claims))
    assert heic_of(data, boxes(data)).made_of == {number: [7] for number in range(1, 101)}


def test_pieces_of_many_items_are_not_joined_beyond_the_length_of_the_file() -> None:
    halves = [(0, 30), (30, 30)]
    heic = Heic(1, {1: b"grid", 2: b"hvc1", 3: b"hvc1"}, made_of={1: [2, 3]}, places={2: halves, 3: halves})
    with pytest.raises(Odd, match="more parts"):
        coded_size(bytes(100), heic)


def test_what_encoders_write_is_never_too_much() -> None:
    assert inspect(items(500), max_pixels=1_000_000).format == decode(items(500)).format == "avif"
    assert [name for name, data in seeds().items() if too_intricate(data) is not None] == []
    assert too_intricate(scans(MAX_SCANS)) is None
    assert too_intricate(JPEG[:2] + segment(0xE2, bytes(65_000)) * (MAX_SEGMENTS - 20) + JPEG[2:]) is None
    pieces = chunk(b"IDAT", bytes(1024)) * (MAX_CHUNKS - 5_000)
    assert too_intricate(PNG[:33] + pieces + PNG[33:]) is None


def test_an_avif_may_have_layers() -> None:
    assert too_intricate(layers(4)) is None


@pytest.mark.parametrize("frames", [1, 2])
def test_a_coded_picture_larger_than_it_is_told_to_be_is_refused(frames: int) -> None:
    """A decoder would decode it, and scale it down."""
    data = bytearray(
        written("AVIF") if frames == 1 else written("AVIF", save_all=True, append_images=[SMALL.rotate(9)])
    )
    for kind, at in ((b"ispe", 4), *(((b"stsz", 8), (b"stsc", 12)) if frames > 1 else ())):
        struct.pack_into(">I", data, data.index(kind) + 4 + at, 1)
    assert decode(bytes(data)).format == "avif"
    with pytest.raises(BadImage, match="pixels; scale it down"):
        decode(bytes(data), max_pixels=64 * 48 - 1)
    with pytest.raises(ImageTooLarge):
        inspect(bytes(data), max_pixels=64 * 48 - 1)


def test_a_heic_whose_stream_is_larger_than_it_is_told_to_be_is_refused() -> None:
    data = claiming_sequence(16_000)
    assert data != heic(SMALL)
    with pytest.raises(ImageTooLarge):
        inspect(data, max_pixels=50_000_000)
    with pytest.raises(BadImage, match="pixels; scale it down"):
        decode(data)
    assert inspect(heic(SMALL), max_pixels=64 * 64).format == "heic"


def test_a_picture_behind_the_first_does_not_count() -> None:
    """Phones put a video or a depth map behind the photo, and chance puts markers into it."""
    assert too_intricate(JPEG + b"\xff\xda" * 100_000) is None
    assert decode(JPEG + b"\xff\xda" * 100_000).width == 64


def test_markers_within_segments_and_coded_data_do_not_count() -> None:
    thumbnail = segment(0xE1, b"\xff\xda" * 5_000)
    assert too_intricate(JPEG[:2] + thumbnail + JPEG[2:]) is None


def test_boxes_end_where_their_folder_ends() -> None:
    data = box(b"moov", box(b"trak", struct.pack(">I4s", 2**31, b"long"))) + box(b"next") + struct.pack(">I", 3)
    assert [kind for kind, _, _ in boxes(data)] == [b"moov", b"trak", b"long", b"next"]


@pytest.mark.parametrize("name", ["intricacy.py", "boxed.py", "av1.py", "hevc.py", "gif_blocks.py", "tiff_pages.py"])
def test_the_front_end_and_the_engine_count_alike(name: str) -> None:
    assert (ROOT / "app" / "photos" / name).read_bytes() == (ROOT / "perturbations" / "photo" / name).read_bytes()
