"""Registered checkpoints: kept as they came, found by name, refused when they are not what was registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from app.contracts.settings import settings
from perturbations.checkpoints import save_checkpoint, sha256
from perturbations.checkpoints.active import active_hashes, active_names, active_targets
from perturbations.checkpoints.registered import Library
from perturbations.checkpoints.shipped import shipped_names, surrogate_hashes
from perturbations.errors import BadCheckpoint, PoiseError, UnknownName
from perturbations.targets import Target
from worker import engine
from worker.commands._targets import chosen
from worker.commands.targets import app

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data" / "targets")


@pytest.fixture
def stargan(small: Small, tmp_path: Path) -> Path:
    """A checkpoint of ours."""
    save_checkpoint(small("stargan"), tmp_path / "stargan.safetensors", extra={})
    return tmp_path / "stargan.safetensors"


def test_a_registered_target_is_the_checkpoint_under_its_own_name(
    library: Library, stargan: Path, small: Small, faces: Faces
) -> None:
    record = library.add("mine", stargan, licence="CC0-1.0")
    assert (record.name, record.architecture, record.licence) == ("mine", "stargan", "CC0-1.0")
    assert (record.sha256, record.bytes) == (sha256(stargan), stargan.stat().st_size)
    assert library.records() == [record]
    stargan.unlink()
    target = library.load("mine")
    assert (target.name, target.architecture) == ("mine", "stargan")
    x = faces(target)
    for edit in target.edits:
        torch.testing.assert_close(target(x, edit), small("stargan")(x, edit), rtol=0.05, atol=0.05)


def test_official_layouts_get_the_edits_asked_for(library: Library, small: Small, tmp_path: Path) -> None:
    torch.save(small("stargan").generator.state_dict(), tmp_path / "200000-G.ckpt")
    record = library.add("mine", tmp_path / "200000-G.ckpt", architecture="stargan", edits={"blond": [1, 0]})
    assert json.loads(json.dumps(record.config["edits"])) == {"blond": [1.0, 0.0]}
    assert library.load("mine").edits == ("blond",)


def test_the_size_it_works_at_can_be_told(library: Library, small: Small, tmp_path: Path) -> None:
    torch.save(small("relighting").generator.state_dict(), tmp_path / "light.t7")
    assert library.add("light", tmp_path / "light.t7").config["image_size"] == 256
    assert library.add("small", tmp_path / "light.t7", image_size=64).config["image_size"] == 64
    assert library.load("small").image_size == 64
    with pytest.raises(BadCheckpoint, match="multiple of 16"):
        library.add("odd", tmp_path / "light.t7", image_size=100)


def test_what_cannot_be_registered_leaves_nothing_behind(library: Library, stargan: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 no checkpoint")
    for name, file, options, why in (
        ("mine", tmp_path / "broken.pth", {}, "damaged"),
        ("mine", tmp_path / "absent.pth", {}, "no such file"),
        ("mine", stargan, {"architecture": "hisd"}, "holds a stargan generator"),
        ("mine", stargan, {"edits": {"blond": [1, 0, 0, 0]}}, "labels"),
        ("mine", stargan, {"edits": "blond"}, "stargan"),
        ("stargan", stargan, {}, "is an architecture"),
        ("../mine", stargan, {}, "cannot be called"),
        ("Mine", stargan, {}, "cannot be called"),
    ):
        with pytest.raises(BadCheckpoint, match=why):
            library.add(name, file, **options)
    with pytest.raises(UnknownName, match="mine"):
        library.add("mine", stargan, twin=True)
    with pytest.raises(UnknownName, match="pix2pix"):
        library.add("mine", stargan, architecture="pix2pix")
    assert list(library.folder.glob("*")) == []
    assert library.names() == ()


def test_a_name_is_taken_once_and_free_after_removal(library: Library, stargan: Path) -> None:
    library.add("mine", stargan)
    with pytest.raises(BadCheckpoint, match="remove it first"):
        library.add("mine", stargan)
    library.add("mine", stargan, twin=True)
    library.remove("mine")
    assert list(library.folder.iterdir()) == []
    library.add("mine", stargan)
    for name in ("absent", "../mine", "mine-twin"):
        with pytest.raises(UnknownName, match="mine"):
            library.remove(name)


def test_a_copy_that_was_changed_is_not_loaded(library: Library, stargan: Path) -> None:
    library.add("mine", stargan)
    copy = library.folder / "mine.checkpoint"
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    with pytest.raises(BadCheckpoint, match="not the one that was registered"):
        library.load("mine")
    (library.folder / "mine.json").write_text("{")
    with pytest.raises(BadCheckpoint, match=r"mine\.json is damaged"):
        library.records()


def test_twins_are_of_one_kind_and_never_trained_on(
    library: Library, stargan: Path, small: Small, tmp_path: Path
) -> None:
    save_checkpoint(small("attgan"), tmp_path / "attgan.safetensors", extra={})
    library.add("mine", stargan)
    with pytest.raises(BadCheckpoint, match="cannot be a attgan"):
        library.add("mine", tmp_path / "attgan.safetensors", twin=True)
    assert active_targets(["mine"], twins=True, library=library) == []
    library.add("mine", stargan, twin=True)
    assert [twin.name for twin in active_targets(["mine"], twins=True, library=library)] == ["mine"]
    assert library.names() == ("mine",)
    assert [(r.name, r.twin) for r in library.records()] == [("mine", False), ("mine", True)]


def test_all_targets_come_from_one_place(library: Library, stargan: Path) -> None:
    shipped = shipped_names()
    assert active_names(library) == active_names() == shipped
    assert active_hashes() == {name: digest for name, digest in surrogate_hashes().items() if name in shipped}
    library.add("mine", stargan)
    assert active_names(library) == (*shipped, "mine")
    found = active_targets(["mine", shipped[0], "mine"], library=library)
    assert [target.name for target in found] == [shipped[0], "mine"]
    assert active_hashes(["mine"], library=library) == {"mine": sha256(stargan)}
    with pytest.raises(UnknownName, match=r"known: .*mine"):
        active_targets(["yours"], library=library)


def test_one_bad_target_need_not_stop_the_others(library: Library, stargan: Path) -> None:
    library.add("bad", stargan)
    library.add("good", stargan)
    (library.folder / "bad.checkpoint").unlink()
    with pytest.raises(BadCheckpoint):
        active_targets(["bad", "good"], library=library)
    errors: dict[str, PoiseError] = {}
    found = active_targets(["bad", "good"], library=library, on_error=errors.__setitem__)
    assert [target.name for target in found] == ["good"]
    assert errors.keys() == {"bad"}


def test_commands_and_workers_use_what_is_registered(
    library: Library, stargan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    caches = (settings, engine.registered)
    for cached in caches:
        cached.cache_clear()
    assert [target.name for target in engine.surrogates(twins=False)] == list(shipped_names())
    runner = CliRunner()
    added = runner.invoke(app, ["add", "mine", "--checkpoint", str(stargan), "--json"])
    assert added.exit_code == 0, added.stderr
    targets, twins, hashes = chosen(f"mine,{shipped_names()[0]}", device=torch.device("cpu"))
    assert [target.name for target in targets] == [shipped_names()[0], "mine"]
    assert [twin.name for twin in twins] == [shipped_names()[0]]
    assert hashes["mine"] == sha256(stargan)
    # a process that has loaded them before notices, and loads each once
    now = engine.surrogates(twins=False)
    assert [target.name for target in now] == [*shipped_names(), "mine"]
    assert engine.surrogates(twins=False) == now
    assert runner.invoke(app, ["add", "mine", "--checkpoint", str(stargan), "--twin"]).exit_code == 0
    larger = runner.invoke(app, ["add", "larger", "--checkpoint", str(stargan), "--image-size", "64", "--json"])
    assert json.loads(larger.stdout)["config"]["image_size"] == 64
    assert [twin.name for twin in engine.surrogates(twins=True)][-1] == "mine"
    refused = runner.invoke(app, ["add", "mine", "--checkpoint", str(stargan), "--json"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "remove it first" in refused.stderr
    assert runner.invoke(app, ["add", "other", "--checkpoint", str(stargan), "--edits", "{"]).exit_code == 2
    assert "mine" in runner.invoke(app, ["list"]).stdout
    assert runner.invoke(app, ["remove", "mine"]).exit_code == 0
    assert runner.invoke(app, ["remove", "larger"]).exit_code == 0
    assert library.names() == ()
    for which in (False, True):
        assert "mine" not in [target.name for target in engine.surrogates(twins=which)]
    for cached in caches:
        cached.cache_clear()
