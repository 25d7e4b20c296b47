"""Folders and ZIP files of pictures: the same order, and clear refusals."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from perturbations.data import archive as module
from perturbations.data import open_faces
from perturbations.errors import BadFaces
from tests.helpers.zip_listings import Count, listing
from tests.perturbations.applying.files import ODD, turned_avif

Encoded = Callable[..., bytes]


def _zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_folder_and_zip_give_the_same_pictures_in_the_same_order(encoded: Encoded, tmp_path: Path) -> None:
    files = {"b/2.png": encoded(2), "a.jpg": encoded(0, format_="JPEG"), "b/1.PNG": encoded(1), "notes.txt": b"text"}
    folder = tmp_path / "folder"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    unpacked, packed = open_faces([folder]), open_faces([_zip(tmp_path / "packed.zip", files)])
    assert [unpacked.name(i) for i in range(len(unpacked))] == ["a.jpg", "1.PNG", "2.png"]
    assert [packed.name(i) for i in range(len(packed))] == ["a.jpg", "1.PNG", "2.png"]
    for index, name in enumerate(("a.jpg", "b/1.PNG", "b/2.png")):
        assert unpacked.read(index) == packed.read(index) == files[name]
        assert np.array_equal(unpacked.rgb(index), packed.rgb(index))


def test_several_sources_follow_one_another_as_given(encoded: Encoded, tmp_path: Path) -> None:
    first = _zip(tmp_path / "z.zip", {"9.png": encoded(9), "8.png": encoded(8)})
    second = _zip(tmp_path / "a.zip", {"1.png": encoded(1)})
    faces = open_faces([first, str(second)])
    assert [faces.name(i) for i in range(len(faces))] == ["8.png", "9.png", "1.png"]


def test_pixels_are_those_of_the_file_whatever_its_mode(encoded: Encoded, tmp_path: Path) -> None:
    picture = Image.open(io.BytesIO(encoded(3)))
    picture.save(tmp_path / "0.png")
    picture.convert("L").save(tmp_path / "1.png")
    picture.convert("RGBA").save(tmp_path / "2.png")
    faces = open_faces([tmp_path])
    assert np.array_equal(faces.rgb(0), np.asarray(picture))
    assert np.array_equal(faces.rgb(1), np.asarray(picture.convert("L").convert("RGB")))
    assert np.array_equal(faces.rgb(2), np.asarray(picture))


def test_a_square_is_cut_from_the_centre(tmp_path: Path) -> None:
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "high.png")
    faces = open_faces([tmp_path])
    for index in range(2):
        square = faces.square(index, 10)
        assert square.shape == (10, 10, 3)
        assert (square[1:-1, 1:-1] == 200).all()
        # antialiasing looks half a pixel across the border, no further
        assert square.min() > 150


def test_where_there_are_no_pictures_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("this is no archive")
    for path, why in (
        (tmp_path / "empty", "no pictures"),
        (_zip(tmp_path / "none.zip", {"readme.txt": b"none"}), "no pictures"),
        (tmp_path / "absent", "no such folder"),
        (tmp_path / "text.zip", "not a readable ZIP"),
    ):
        with pytest.raises(BadFaces, match=why):
            open_faces([path])
    with pytest.raises(BadFaces, match="no pictures"):
        open_faces([])


def test_a_cut_archive_is_refused(encoded: Encoded, tmp_path: Path) -> None:
    path = _zip(tmp_path / "cut.zip", {f"{i}.png": encoded(i) for i in range(4)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadFaces, match="not a readable ZIP"):
        open_faces([path])


def test_a_damaged_member_spoils_only_itself(encoded: Encoded, tmp_path: Path) -> None:
    path = _zip(tmp_path / "damaged.zip", {"0.png": encoded(0), "1.png": encoded(1)})
    data = bytearray(path.read_bytes())
    at = data.find(encoded(1)) + 200
    data[at : at + 16] = bytes(16)
    path.write_bytes(data)
    faces = open_faces([path])
    assert faces.rgb(0).shape == (20, 24, 3)
    with pytest.raises(BadFaces, match=r"1\.png is damaged"):
        faces.rgb(1)


def test_whatever_a_decoder_raises_is_explained(tmp_path: Path) -> None:
    """Pillow raises an AttributeError for this one: an AVIF, turned by its container, with odd EXIF."""
    (tmp_path / "a.png").write_bytes(turned_avif(Image.new("RGB", (64, 40)), 3, ODD["a hemisphere as a number"]))
    with pytest.raises(BadFaces, match=r"a\.png: not a readable picture"):
        open_faces([tmp_path]).rgb(0)


def test_a_member_is_never_unpacked_beyond_its_listed_size(encoded: Encoded, tmp_path: Path) -> None:
    path = _zip(tmp_path / "bomb.zip", {"0.png": encoded(0)})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(150_000_000))
        archive.filelist[-1].file_size = 5_000
    faces = open_faces([path])
    tracemalloc.start()
    with pytest.raises(BadFaces, match=r"1\.png is damaged"):
        faces.read(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_member_whose_compression_is_damaged_is_refused(encoded: Encoded, tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", encoded(0))
        begins = archive.infolist()[0].header_offset + len(archive.infolist()[0].FileHeader())
    data = bytearray(path.read_bytes())
    data[begins : begins + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(BadFaces, match=r"0\.png is damaged"):
        open_faces([path]).read(0)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(encoded: Encoded, tmp_path: Path, method: int) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("0.png", encoded(0))
    with pytest.raises(BadFaces, match="deflate"):
        open_faces([path])


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x89PNG\r\n\x1a\n but no more"])
def test_what_is_no_picture_is_refused_when_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_bytes(content)
    with pytest.raises(BadFaces, match=r"fake\.png: not a readable picture"):
        open_faces([tmp_path]).rgb(0)


def test_a_truncated_picture_is_refused(encoded: Encoded, tmp_path: Path) -> None:
    whole = encoded(0, format_="JPEG", width=200, height=200)
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFaces, match="not a readable picture"):
        open_faces([tmp_path]).rgb(0)


def test_files_beyond_the_limit_are_never_read(
    encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.png").write_bytes(encoded(0, width=100, height=100))
    packed = _zip(tmp_path / "big.zip", {"big.png": encoded(0, width=100, height=100)})
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 10_000)
    for path in (tmp_path, packed):
        with pytest.raises(BadFaces, match="larger than 10000 bytes"):
            open_faces([path]).read(0)


def test_pictures_of_too_many_pixels_are_refused(tmp_path: Path) -> None:
    Image.new("L", (8000, 6300)).save(tmp_path / "huge.png")
    with pytest.raises(BadFaces, match="more than 50000000 pixels"):
        open_faces([tmp_path]).rgb(0)


@pytest.mark.parametrize("count", get_args(Count))
def test_listings_of_too_many_members_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Count
) -> None:
    """Whatever the end record says."""
    path = listing(tmp_path / "many.zip", 200_000, count=count)
    for most in (10_000, 100_000):  # refused for its bytes, and for its entries
        monkeypatch.setattr(module, "MAX_MEMBERS", most)
        tracemalloc.start()
        with pytest.raises(BadFaces, match=f"at most {most}"):
            open_faces([path])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 15_000_000


def test_other_kinds_of_pictures_are_not_decoded_whatever_they_are_called(tmp_path: Path) -> None:
    for kind in ("GIF", "BMP", "TIFF", "EPS"):
        Image.new("RGB", (40, 40)).save(tmp_path / "fake.png", kind)
        with pytest.raises(BadFaces, match="not a readable picture"):
            open_faces([tmp_path]).rgb(0)
