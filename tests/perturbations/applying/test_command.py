"""``poise protect``, as a person runs it, with a perturbation that the test puts in place of the shipped one."""

from __future__ import annotations

import io
import json
import os
import shutil
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


def test_faces_are_found_with_the_model_that_is_set(
    photos: Path, installed: Perturbation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del installed
    monkeypatch.setenv("POISE_YUNET_MODEL", str(tmp_path / "missing.onnx"))
    result = poise(photos / "one.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "POISE_YUNET_MODEL" in result.stderr.replace("\n", "")
