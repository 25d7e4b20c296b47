"""Archives of faces are hostile until proven otherwise."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app.archives import MAX_RATIO, Contents, inspect
from app.archives import check_archive as check
from app.archives.apart import SMALL
from app.contracts.problems import Problem, Unprocessable, UnsupportedMedia
from app.contracts.records.datasets import MIN_FACES

LIMIT = 10_000_000


@pytest.fixture(scope="module")
def picture() -> bytes:
    written = io.BytesIO()
    Image.effect_noise((40, 40), 60).save(written, "JPEG")
    return written.getvalue()


def faces(picture: bytes, count: int = MIN_FACES) -> dict[str, bytes]:
    return {f"folder/{i}.jpg": picture for i in range(count)}


def written(folder: Path, files: dict[str, bytes], *more: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    path = folder / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*files.items(), *more]:
            archive.writestr(name, data)
    return path


def check_archive(path: Path, *, max_bytes: int) -> Contents:
    with path.open("rb") as file:
        return check(file, max_bytes=max_bytes)


def refused(path: Path) -> Problem:
    with pytest.raises(Unprocessable) as error:
        check_archive(path, max_bytes=LIMIT)
    return error.value


def test_faces_are_counted_and_the_rest_is_ignored(tmp_path: Path, picture: bytes) -> None:
    small = io.BytesIO()
    Image.new("L", (8, 8)).save(small, "PNG")
    others = {
        "readme.txt": b"hello",
        "broken.jpg": picture[:20],
        "text.png": b"no picture",
        "small.png": small.getvalue(),
    }
    contents = check_archive(written(tmp_path, {**faces(picture), **others}), max_bytes=LIMIT)
    assert (contents.faces, contents.ignored) == (MIN_FACES, len(others))


def test_too_few_faces_are_refused(tmp_path: Path, picture: bytes) -> None:
    assert str(MIN_FACES) in refused(written(tmp_path, faces(picture, MIN_FACES - 1))).detail


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all" * 100, b"PK\x05\x06" + b"\xff" * 18])
def test_other_files_are_no_archives(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "faces.zip"
    path.write_bytes(data)
    with pytest.raises((UnsupportedMedia, Unprocessable)):
        check_archive(path, max_bytes=LIMIT)


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "..\\x.jpg", "C:\\x.jpg", "C:x.jpg"])
def test_names_that_lead_out_are_refused(tmp_path: Path, picture: bytes, name: str) -> None:
    assert "leads out" in refused(written(tmp_path, faces(picture), (name, picture))).detail


def test_links_are_refused(tmp_path: Path, picture: bytes) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "link" in refused(written(tmp_path, faces(picture), (link, b"/etc/passwd"))).detail


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
@pytest.mark.parametrize("name", ["link.jpg", "link/", "notes.txt"])
def test_only_files_and_folders_are_taken(tmp_path: Path, picture: bytes, name: str, kind: int) -> None:
    """A folder is no way around the checks, either."""
    odd = zipfile.ZipInfo(name)
    odd.external_attr = (kind | 0o777) << 16
    assert "link" in refused(written(tmp_path, faces(picture), (odd, b"/etc/passwd"))).detail
    assert "leads out" in refused(written(tmp_path, faces(picture), ("../../folder/", b""))).detail


@pytest.mark.parametrize("name", ["inner.jpg", "inner.txt", "inner"])
def test_archives_called_something_else_are_never_opened(tmp_path: Path, picture: bytes, name: str) -> None:
    inner = written(tmp_path, faces(picture, 2)).read_bytes()
    contents = check_archive(written(tmp_path, {**faces(picture), name: inner}), max_bytes=LIMIT)
    assert (contents.faces, contents.ignored) == (MIN_FACES, 1)


@pytest.mark.parametrize("padding", [0, SMALL])
def test_large_ones_are_looked_through_as_small_ones_are(tmp_path: Path, picture: bytes, padding: int) -> None:
    note = {"notes.txt": bytes(padding)}
    assert inspect(written(tmp_path, {**faces(picture), **note}), max_bytes=LIMIT) == Contents(MIN_FACES, 1)
    with pytest.raises(Unprocessable, match="another archive"):
        inspect(written(tmp_path, {**faces(picture), **note, "inner.zip": b""}), max_bytes=LIMIT)
    (tmp_path / "faces.zip").write_bytes(b"no archive" + bytes(padding))
    with pytest.raises(UnsupportedMedia):
        inspect(tmp_path / "faces.zip", max_bytes=LIMIT)


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "inner.7Z"])
def test_nested_archives_are_refused(tmp_path: Path, picture: bytes, name: str) -> None:
    assert "another archive" in refused(written(tmp_path, faces(picture), (name, b"PK"))).detail


def test_encrypted_archives_are_refused(tmp_path: Path, picture: bytes) -> None:
    path = written(tmp_path, faces(picture))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, directory + 8, 1)  # the flags of the first entry
    path.write_bytes(data)
    assert "encrypted" in refused(path).detail


def test_bombs_are_refused_by_their_listing(tmp_path: Path, picture: bytes) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in faces(picture).items():
            archive.writestr(name, data)
        archive.writestr("bomb.jpg", bytes(20_000_000))
    info = zipfile.ZipFile(path).getinfo("bomb.jpg")
    assert info.file_size > MAX_RATIO * info.compress_size
    assert "far more" in refused(path).detail


def test_a_size_that_lies_is_not_believed(tmp_path: Path, picture: bytes) -> None:
    """A file that claims a few kilobytes is never unpacked beyond them."""
    path = written(tmp_path, faces(picture))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(150_000_000))
        archive.filelist[-1].file_size = 5_000
    tracemalloc.start()
    contents = check_archive(path, max_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (contents.faces, contents.ignored) == (MIN_FACES, 1)
    assert peak < 10_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(tmp_path: Path, picture: bytes, method: int) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in faces(picture).items():
            archive.writestr(name, data)
    assert "deflate" in refused(path).detail


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path, picture: bytes) -> None:
    path = written(tmp_path, faces(picture))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    for _ in range(MIN_FACES):  # every entry of the directory points at the first file
        lengths = struct.unpack_from("<HHH", data, at + 28)
        struct.pack_into("<I", data, at + 42, 0)
        struct.pack_into("<II", data, at + 20, len(picture) * 2, len(picture) * 2)
        at += 46 + sum(lengths)
    path.write_bytes(data)
    refused(path)


def test_too_much_in_all_is_refused(tmp_path: Path, picture: bytes) -> None:
    path = written(tmp_path, faces(picture))
    with pytest.raises(Unprocessable, match="unpacks"):
        check_archive(path, max_bytes=MIN_FACES * len(picture) // 8)


def test_pictures_are_found_by_content(tmp_path: Path) -> None:
    """A format Poise does not read stays out, whatever it is called."""
    drawn = io.BytesIO()
    Image.effect_noise((40, 40), 60).save(drawn, "GIF")
    assert " 0 usable" in refused(written(tmp_path, {f"{i}.jpg": drawn.getvalue() for i in range(MIN_FACES)})).detail


def test_a_damaged_archive_never_raises_anything_else(tmp_path: Path, picture: bytes) -> None:
    """Every byte of the directory, one at a time."""
    path = written(tmp_path, faces(picture))
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    for at in [*range(start, start + 60), *range(len(whole) - 22, len(whole))]:
        data = bytearray(whole)
        data[at] ^= 0xFF
        path.write_bytes(data)
        try:
            check_archive(path, max_bytes=LIMIT)
        except (Unprocessable, UnsupportedMedia):
            continue
