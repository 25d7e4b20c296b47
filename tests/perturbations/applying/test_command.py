"""``poise protect``, as a person runs it, with a perturbation that the test puts in place of the shipped one."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from perturbations import artifact
from perturbations.artifact import Perturbation
from perturbations.images import RgbArray
from tests.helpers.closed import close
from tests.service.helpers.mutations import heic
from worker.commands._copy_names import CopyNames
from worker.commands.protect import protect

app = typer.Typer()
app.command()(protect)


@pytest.fixture
def installed(tmp_path: Path, signs: Perturbation, monkeypatch: pytest.MonkeyPatch) -> Perturbation:
    """A version on disk that ``active()`` finds."""
    folder = tmp_path / "installed"
    monkeypatch.setattr(artifact, "SHIPPED", folder)
    return artifact.save(folder / "one", signs.delta, epsilon=signs.epsilon, weighting="uniform", sidecar={})


@pytest.fixture
def photos(tmp_path: Path, astronaut: bytes, pixels: RgbArray) -> Path:
    """A folder with two photos, one in a folder of its own, a damaged one and a file that is no picture."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "one.png").write_bytes(astronaut)
    Image.fromarray(pixels[:300, :300]).save(folder / "more" / "two.jpg", quality=95)
    (folder / "bad.png").write_bytes(astronaut[:5000])
    (folder / "notes.txt").write_text("no picture")
    return folder


def poise(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def documents(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_goes_on_after_a_bad_file_and_lists_it(photos: Path, installed: Perturbation, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    result = poise(photos, "--out", out, "--json")
    assert result.exit_code == 1
    assert "bad.png" in result.stderr
    assert files(out) == {"one.png", "more/two.jpg"}
    document = documents(result)
    assert document["perturbation"] == {"version": installed.version, "epsilon": 0.05}
    assert [Path(f["input"]).name for f in document["failures"]] == ["bad.png"]
    assert {Path(p["input"]).name for p in document["photos"]} == {"one.png", "two.jpg"}
    for photo in document["photos"]:
        assert Path(photo["output"]).is_file()
        assert photo["faces"]
        assert photo["quality"]["max_abs_diff"] > 0
    assert {path: path.read_bytes() for path in before} == before, "inputs stay as they are"


@pytest.mark.usefixtures("installed")
def test_all_good_exits_0_and_shows_a_table(photos: Path, tmp_path: Path, pixels: RgbArray) -> None:
    result = poise(photos / "one.png", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "one.png" in result.output
    with Image.open(tmp_path / "out" / "one.png") as image:
        difference = np.abs(np.asarray(image).astype(int) - pixels)
    assert 1 <= difference.max() <= 6


@pytest.mark.usefixtures("installed")
def test_never_overwrites_an_input(photos: Path, astronaut: bytes) -> None:
    result = poise(photos / "one.png", "--out", photos, "--json")
    assert result.exit_code == 1
    assert (photos / "one.png").read_bytes() == astronaut
    assert "--out" in documents(result)["failures"][0]["error"]
    assert poise(photos, "--out", photos / "more").exit_code == 1
    assert (photos / "one.png").read_bytes() == astronaut


@pytest.mark.usefixtures("installed")
def test_an_input_under_another_name_is_not_overwritten_either(photos: Path, astronaut: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "one.png").hardlink_to(photos / "one.png")
    poise(photos / "one.png", "--out", out)
    assert (photos / "one.png").read_bytes() == astronaut


@pytest.mark.usefixtures("installed")
def test_two_inputs_of_one_name_do_not_replace_each_other(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(photos / "one.png", tmp_path / "other" / "one.png")
    result = poise(photos / "one.png", tmp_path / "other" / "one.png", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    document = documents(result)
    assert len(document["photos"]) == len(document["failures"]) == 1


@pytest.mark.usefixtures("installed")
def test_output_inside_the_input_folder_is_not_protected_again(photos: Path) -> None:
    (photos / "bad.png").unlink()
    out = photos / "protected"
    assert poise(photos, "--out", out).exit_code == 0
    assert poise(photos, "--out", out).exit_code == 0
    assert files(out) == {"one.png", "more/two.jpg"}


@pytest.mark.usefixtures("installed")
def test_suffix_follows_the_format(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert poise(photos / "one.png", "--out", out, "--format", "jpeg").exit_code == 0
    assert files(out) == {"one.jpg"}
    with Image.open(io.BytesIO((out / "one.jpg").read_bytes())) as image:
        assert image.format == "JPEG"


@pytest.mark.usefixtures("installed")
def test_an_avif_stays_one(photos: Path, pixels: RgbArray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(photos / "three.avif")
    assert poise(photos / "three.avif", "--out", tmp_path / "out").exit_code == 0
    with Image.open(tmp_path / "out" / "three.avif") as image:
        assert image.format == "AVIF"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("args", [("missing.png",), ("one.png", "--format", "gif")])
def test_bad_arguments_exit_2(args: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    result = poise(photos / args[0], *args[1:], "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert not result.stdout
    assert not (tmp_path / "out").exists()


def contents(document: dict[str, Any]) -> list[str]:
    return sorted(Path(photo["input"]).name for photo in document["photos"])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_name_that_is_no_utf_8_is_reported(photos: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        shutil.copy(photos / "one.png", photos / name)
    except OSError:
        pytest.skip("the file system takes no such names")
    shutil.copy(photos / "bad.png", photos / os.fsdecode(b"bad\xff.png"))
    result = poise(photos, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert (tmp_path / "out" / name).is_file()
    assert "bad\\udcff.png: " in result.stderr
    if options:
        assert contents(documents(result)) == [name, "one.png", "two.jpg"]


@pytest.mark.usefixtures("installed")
def test_what_a_name_holds_for_a_terminal_is_spelt_out(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "one.png", photos / "good\x1b[2J\nx.png")
    shutil.copy(photos / "bad.png", photos / "bad\x1b[2J\nx.png")
    result = poise(photos, "--out", tmp_path / "out")
    assert "bad\\x1b[2J\\nx.png: " in result.stderr
    assert "\x1b[2J" not in result.stdout + result.stderr


@pytest.mark.usefixtures("installed")
def test_a_dot_in_a_name_is_no_suffix(photos: Path, tmp_path: Path) -> None:
    names = ["Foto 12.05.2023", "IMG.0001", "IMG.0002", "IMG.0003.PNG"]
    for name in names:
        shutil.copy(photos / "more" / "two.jpg", photos / name)
    assert poise(*(photos / name for name in names), "--out", tmp_path / "out").exit_code == 0
    assert files(tmp_path / "out") == {"Foto 12.05.2023.jpg", "IMG.0001.jpg", "IMG.0002.jpg", "IMG.0003.jpg"}


@pytest.mark.usefixtures("installed")
def test_a_picture_in_a_folder_is_known_by_its_content_too(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").unlink()
    shutil.copy(photos / "one.png", photos / "IMG.0001")
    os.mkfifo(photos / "pipe.jpg")  # would be waited for
    result = poise(photos, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert files(tmp_path / "out") == {"one.png", "more/two.jpg", "IMG.0001.png"}


UNREAD = {
    "a.jxl": (b"\xff\x0a", "JPEG XL"),
    "b.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "c.qoi": (b"qoif", "QOI"),
    "d.CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
    "f.bmp": (b"BM\x36\0", "BMP"),
    "g.raf": (b"FUJIFILMCCD-RAW 0201", "raw"),
    "h.jpg": (b"\xff\x0a", "JPEG XL"),
    "JXL": (b"\xff\x0a", "JPEG XL"),
}


@pytest.mark.usefixtures("installed")
def test_kinds_that_cannot_be_read_are_failures_that_name_them(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, (start, _) in UNREAD.items():
        (folder / name).write_bytes(start + bytes(60))
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(60))
    result = poise(folder, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    told = {Path(failure["input"]).name: failure["error"] for failure in documents(result)["failures"]}
    assert told.keys() == UNREAD.keys()
    for name, (_, kind) in UNREAD.items():
        assert kind in told[name]
        assert "export it as JPEG, PNG" in told[name]


@pytest.mark.usefixtures("installed")
def test_a_copy_much_larger_than_its_photo_is_remarked_on(photos: Path, pixels: RgbArray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(photos / "small.jpg", quality=30)
    result = poise(photos / "small.jpg", photos / "one.png", "--out", tmp_path / "out", "--json")
    document = documents(result)
    for photo in document["photos"]:
        assert photo["bytes"] == Path(photo["output"]).stat().st_size
    notes = [line for line in result.stderr.splitlines() if line.startswith("note:")]
    assert len(notes) == 1
    assert "small.jpg" in notes[0]
    assert "times as large" in notes[0]


@pytest.mark.usefixtures("installed")
def test_advice_about_a_copy_fits_its_kind(pixels: RgbArray, tmp_path: Path) -> None:
    """A JPEG of a JPEG does not get smaller as a JPEG, but a PNG of it does."""
    photo = tmp_path / "small.jpg"
    Image.fromarray(pixels).save(photo, quality=30)
    for options, advice in (((), False), (("--format", "png"), True)):
        result = poise(photo, "--out", tmp_path / "out", "--json", *options)
        (note,) = (line for line in result.stderr.splitlines() if line.startswith("note:"))
        assert ("JPEG would be smaller" in note) == advice
        assert note.partition(": ")[2].partition(": ")[2] in documents(result)["photos"][0]["notes"]


@pytest.mark.usefixtures("installed")
def test_what_is_said_of_many_copies_is_said_once(pixels: RgbArray, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        Image.fromarray(pixels[:200, :200]).quantize(32).save(folder / f"{name}.gif")
    result = poise(folder, "--out", tmp_path / "out")
    notes = [line for line in result.stderr.splitlines() if "is a PNG, because GIF files are read" in line]
    assert len(notes) == 1
    assert "a.png and 2 more: " in notes[0]


@pytest.fixture
def pairs(tmp_path: Path, pixels: RgbArray) -> Path:
    """A folder of different pictures whose names differ in nothing but the suffix."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    small = [Image.fromarray(pixels[at : at + 64, 160:224]) for at in range(40, 48)]
    (folder / "IMG_1.HEIC").write_bytes(heic(small[0]))
    small[1].save(folder / "IMG_1.JPG")
    (folder / "IMG_2.heic").write_bytes(heic(small[2]))
    small[3].save(folder / "img_2.jpg")
    small[4].quantize(32).save(folder / "pic.gif")
    small[5].save(folder / "pic.png")
    (folder / "alone.heic").write_bytes(heic(small[6]))
    return folder


PAIRS = {
    "IMG_1.HEIC": "IMG_1.HEIC.jpg",
    "IMG_1.JPG": "IMG_1.JPG",
    "IMG_2.heic": "IMG_2.heic.jpg",
    "img_2.jpg": "img_2.jpg",
    "pic.gif": "pic.gif.png",
    "pic.png": "pic.png",
    "alone.heic": "alone.jpg",
}


def copies(result: Result) -> dict[str, str]:
    return {Path(row["input"]).name: Path(row["output"]).name for row in documents(result)["photos"]}


@pytest.mark.usefixtures("installed")
def test_pictures_of_one_name_but_for_the_suffix_all_get_a_copy(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for given in ([pairs], [pairs], sorted(pairs.iterdir()), sorted(pairs.iterdir(), reverse=True)):
        result = poise(*given, "--out", out, "--json")
        assert (result.exit_code, copies(result)) == (0, PAIRS)
        assert files(out) == set(PAIRS.values())
    made = {name: (out / name).read_bytes() for name in files(out)}
    for name, copy in PAIRS.items():
        again = poise(pairs / name, "--out", out, "--json")
        assert (again.exit_code, copies(again)) == (0, {name: copy}), "by itself"
    assert {name: (out / name).read_bytes() for name in files(out)} == made


@pytest.mark.usefixtures("installed")
def test_a_photo_beside_one_that_is_protected_is_not_overwritten(pairs: Path) -> None:
    before = {path: path.read_bytes() for path in pairs.iterdir()}
    result = poise(pairs / "IMG_2.heic", "--out", pairs, "--json")
    assert copies(result) == {"IMG_2.heic": "IMG_2.heic.jpg"}
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.usefixtures("installed")
def test_in_one_format_pictures_of_one_name_get_names_of_their_own(pairs: Path, tmp_path: Path) -> None:
    result = poise(pairs, "--out", tmp_path / "out", "--json", "--format", "webp")
    assert result.exit_code == 0
    alone = {"alone.heic": "alone.webp"}
    assert copies(result) == {name: f"{name}.webp" for name in PAIRS} | alone


def named(*given: str) -> Iterator[dict[str, str]]:
    """The names of copies that are JPEG, for every order of the pictures."""
    for order in permutations(given):
        names = CopyNames((Path("nowhere", name), Path(name)) for name in order)
        yield {name: str(names.of(Path(name), (".jpg", ".jpeg"))) for name in order}


@pytest.mark.parametrize(
    "wanted",
    [
        {"a.jpg": "a.jpg", "a.jpeg": "a.jpeg"},
        {"a.gif": "a.gif.jpg", "A.TIF": "A.TIF.jpg"},
        {"a.JPG": "a.JPG", "a.jpg": "a (2).jpg", "A.heic": "A.heic.jpg"},
        {"A.JPG": "A.JPG", "A.jpg": "A (3).jpg", "a.jpg": "a (4).jpg", "a (2).jpg": "a (2).jpg"},
        {"Stra\u00dfe.jpg": "Stra\u00dfe.jpg", "Strasse.jpg": "Strasse.jpg"},
        {"a.HEIC": "a.HEIC.jpg", "a.heic": "a.heic (2).jpg"},
        {"a.heic": "a.heic (2).jpg", "a.jpg": "a.jpg", "a.heic.JPG": "a.heic.JPG"},
        {"caf\u00e9.jpg": "caf\u00e9 (2).jpg", "cafe\u0301.jpg": "cafe\u0301.jpg"},
        {"b/a.heic": "b/a.jpg", "c/a.jpg": "c/a.jpg"},
        {"IMG.0001": "IMG.0001.jpg", "IMG.0002": "IMG.0002.jpg"},
        {"a": "a (2).jpg", "a.jpg": "a.jpg"},
    ],
    ids=lambda wanted: " ".join(wanted).encode("unicode_escape").decode(),
)
def test_names_do_not_depend_on_the_order_or_on_case(wanted: dict[str, str]) -> None:
    for found in named(*wanted):
        assert found == wanted
        assert len({name.lower() for name in found.values()}) == len(found)


@pytest.mark.usefixtures("installed")
def test_advice_about_a_name_that_is_taken_destroys_nothing(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(photos / "one.png", tmp_path / "other" / "ONE.png")
    shutil.copy(photos / "one.png", tmp_path / "other" / "one.png")
    out = tmp_path / "out"
    result = poise(photos / "one.png", tmp_path / "other" / "one.png", "--out", out, "--json")
    (failure,) = documents(result)["failures"]
    assert str(photos / "one.png") in failure["error"]
    assert failure["error"].endswith("protect it with another --out")


@pytest.mark.usefixtures("installed")
def test_a_picture_that_is_named_twice_is_protected_once(photos: Path, tmp_path: Path) -> None:
    result = poise(photos / "one.png", photos / "one.png", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert len(documents(result)["photos"]) == 1


@pytest.mark.usefixtures("installed")
def test_a_folder_that_cannot_be_read_is_a_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "bad.png").unlink()
    close(monkeypatch, "more")
    result = poise(photos, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    (failure,) = documents(result)["failures"]
    assert failure["input"] == str(photos / "more")
    assert "cannot be read" in failure["error"]
    assert files(tmp_path / "out") == {"one.png"}


@pytest.mark.usefixtures("installed")
def test_where_only_names_can_be_read_each_picture_is_a_failure(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "bad.png").unlink()

    def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Path, *args: Any, **options: Any) -> Any:
            if self.parent.name == "more":
                raise PermissionError(13, "Permission denied", str(self))
            return method(self, *args, **options)

        return called

    monkeypatch.setattr(Path, "stat", refusing(Path.stat))
    monkeypatch.setattr(Path, "open", refusing(Path.open))
    result = poise(photos, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    assert [Path(failure["input"]).name for failure in documents(result)["failures"]] == ["two.jpg"]
    assert files(tmp_path / "out") == {"one.png"}


@pytest.mark.usefixtures("installed")
def test_a_link_to_a_folder_is_told(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").unlink()
    (photos / "album").symlink_to(photos / "more")
    (photos / "round").symlink_to(photos)
    (photos / "out").symlink_to(tmp_path / "out")
    result = poise(photos, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert files(tmp_path / "out") == {"one.png", "more/two.jpg"}
    told = [line for line in result.stderr.splitlines() if "is a link to a folder" in line]
    assert sorted(line.split()[1] for line in told) == [str(photos / "album"), str(photos / "round")]
    assert poise(photos / "album", "--out", tmp_path / "out").exit_code == 0
    assert "two.jpg" in files(tmp_path / "out")


def test_faces_are_found_with_the_model_that_is_set(
    photos: Path, installed: Perturbation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del installed
    monkeypatch.setenv("POISE_YUNET_MODEL", str(tmp_path / "missing.onnx"))
    result = poise(photos / "one.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "POISE_YUNET_MODEL" in result.stderr.replace("\n", "")
