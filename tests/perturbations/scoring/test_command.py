"""``poise score``, as a person runs it, with generators that the test puts in place of the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from perturbations.checkpoints import shipped
from perturbations.checkpoints.loading import save_checkpoint
from perturbations.score import score_photo
from perturbations.targets.stargan import StarGAN
from worker.commands.score import score

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
app = typer.Typer()
app.command()(score)


def poise(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def surrogates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small generator and its twin on disk, where the shipped ones are looked for."""
    folder = tmp_path / "surrogates"
    folder.mkdir()
    monkeypatch.setattr(shipped, "FOLDER", folder)
    for seed, name in enumerate(("stargan", "stargan-twin")):
        torch.manual_seed(seed)
        target = StarGAN(edits={"one": (1, 0), "two": (0, 1)}, image_size=64, conv_dim=8, c_dim=2, repeat_num=1)
        save_checkpoint(target, folder / f"{name}.safetensors", extra={})


@pytest.fixture
def protected(tmp_path: Path) -> Path:
    pixels = np.asarray(Image.open(ASTRONAUT).convert("RGB")).astype(int)
    noise = np.random.default_rng(0).choice([-60, 60], pixels.shape)
    path = tmp_path / "protected.png"
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(path)
    return path


def test_json_is_the_score_of_the_two_files(protected: Path) -> None:
    result = poise(ASTRONAUT, protected, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    expected = score_photo(
        ASTRONAUT.read_bytes(),
        protected.read_bytes(),
        targets=shipped.load_surrogates(),
        twins=shipped.load_surrogates(twins=True),
    )
    assert document["summary"]["architectures"] == 1
    assert document["summary"]["weakest"] == "stargan"
    row, wanted = document["scores"][0], expected.scores[0]
    assert row["l2_mask"] == pytest.approx(wanted.l2_mask)
    assert [edit["edit"] for edit in row["edits"]] == ["one", "two"]
    assert wanted.twin is not None
    assert row["twin"]["l2_mask"] == pytest.approx(wanted.twin.l2_mask)
    assert row["l2_mask"] != row["twin"]["l2_mask"]
    assert row["l2_mask"] > 0


def test_table_names_every_edit(protected: Path) -> None:
    result = poise(ASTRONAUT, protected)
    assert result.exit_code == 0, result.output
    for word in ("stargan", "one", "two", "generators interrupted"):
        assert word in result.output


def test_bad_input_exits_2_and_explains(tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.open(ASTRONAUT).convert("RGB").resize((100, 90)).save(small)
    result = poise(ASTRONAUT, small, "--json")
    assert result.exit_code == 2
    assert not result.stdout
    assert "512x512" in result.stderr
    assert "100x90" in result.stderr
    small.write_bytes(b"no picture")
    assert poise(ASTRONAUT, small).exit_code == 2
    assert poise(ASTRONAUT, tmp_path / "missing.png").exit_code == 2


def test_a_kind_that_cannot_be_read_is_named(protected: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jxl"
    photo.write_bytes(b"\xff\x0a" + bytes(60))
    result = poise(photo, protected)
    assert result.exit_code == 2
    assert "photo.jxl: a JPEG XL photo cannot be read here; export it" in result.stderr
