"""Registered checkpoints: found by name, loaded as they were registered, refused when they are something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import NoTwin
from app.contracts.storage import FolderStorage
from perturbations.checkpoints import save_checkpoint, sha256
from perturbations.checkpoints.shipped import shipped_names, surrogate_hashes
from perturbations.errors import BadCheckpoint, UnknownName
from perturbations.targets import Target
from tests.helpers.generators import kept
from worker.commands._targets import chosen
from worker.commands.targets import app
from worker.generators.loaded import LoadedGenerators
from worker.generators.surrogates import Surrogates

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]
CPU = torch.device("cpu")
SURROGATES = Surrogates(CPU)
poise_targets = CliRunner()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder commands work on; nothing is in it yet."""
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def storage(data: Path) -> FolderStorage:
    return FolderStorage(data / "storage")


@pytest.fixture
def generators(storage: FolderStorage) -> Generators:
    """The store as a process sees it that has no Redis."""
    return Generators(storage, None)


@pytest.fixture
def loaded(generators: Generators) -> LoadedGenerators:
    return LoadedGenerators(generators, SURROGATES, scratch=None)


@pytest.fixture
def stargan(small: Small, tmp_path: Path) -> Path:
    """A checkpoint of ours."""
    save_checkpoint(small("stargan"), tmp_path / "stargan.safetensors", extra={})
    return tmp_path / "stargan.safetensors"


def added(targets: tuple[Target, ...]) -> list[str]:
    """What is there beside what ships."""
    return [target.name for target in targets if target.name not in shipped_names()]


def scoring(generators: Generators, *names: str) -> list[str]:
    """Who scores photos if the operator has named some."""
    loaded = LoadedGenerators(generators, SURROGATES, scratch=None, scored_by=names)
    both = [[target.name for target in loaded.targets(twins=twins)] for twins in (False, True)]
    assert both[1] == [name for name in both[0] if name in shipped_names()], "and so do their twins"
    assert [target.name for target in loaded.scoring_surrogates(twins=False)] == both[1]
    return both[0]


def test_the_operator_chooses_who_scores(
    generators: Generators, stargan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept(generators, "mine", stargan)
    assert scoring(generators) == [*shipped_names(), "mine"]
    assert scoring(generators, "mine", "stargan") == ["stargan", "mine"], "in the order reports use"
    assert scoring(generators, "attgan") == ["attgan"]
    assert not caplog.records
    # one that was deleted does not stop the others, nor does it leave a photo without scores
    assert scoring(generators, "stargan", "gone") == ["stargan"]
    assert [vars(record)["poise_fields"] for record in caplog.records] == [{"names": "gone"}]
    assert scoring(generators, "gone") == [*shipped_names(), "mine"]


def test_a_registered_target_is_the_checkpoint_under_its_own_name(
    generators: Generators, loaded: LoadedGenerators, stargan: Path, small: Small, faces: Faces
) -> None:
    kept(generators, "mine", stargan)
    stargan.unlink()
    target = loaded.targets(twins=False)[-1]
    assert (target.name, target.architecture) == ("mine", "stargan")
    x = faces(target)
    for edit in target.edits:
        torch.testing.assert_close(target(x, edit), small("stargan")(x, edit), rtol=0.05, atol=0.05)


@pytest.mark.usefixtures("data")
def test_what_cannot_be_registered_leaves_nothing_behind(generators: Generators, stargan: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 no checkpoint")
    for name, file, options, why in (
        ("mine", tmp_path / "broken.pth", [], "damaged"),
        ("mine", tmp_path / "absent.pth", [], "no such file"),
        ("mine", stargan, ["--architecture", "hisd"], "holds a stargan generator"),
        ("mine", stargan, ["--architecture", "pix2pix"], "pix2pix"),
        ("mine", stargan, ["--edits", '{"blond": [1, 0, 0, 0]}'], "labels"),
        ("mine", stargan, ["--edits", "a,b,c"], "has 2 edits; names given: 3"),
        ("mine", stargan, ["--edits", "{"], "--edits cannot be used"),
        ("stargan", stargan, [], "is an architecture"),
        ("../mine", stargan, [], "cannot be called"),
        ("Mine", stargan, [], "cannot be called"),
        ("mine", stargan, ["--twin"], "unknown registered target 'mine'"),
    ):
        result = poise_targets.invoke(app, ["add", name, "--checkpoint", str(file), *options, "--json"])
        assert (result.exit_code, result.stdout) == (2, ""), result.stderr
        assert why in result.stderr.replace("\n", " ")
    assert generators.all() == []
    assert generators.stamp.stored() == ""


@pytest.mark.usefixtures("data")
def test_a_name_is_taken_once_and_free_after_removal(
    generators: Generators, storage: FolderStorage, stargan: Path
) -> None:
    kept(generators, "mine", stargan)
    refused = poise_targets.invoke(app, ["add", "mine", "--checkpoint", str(stargan)])
    assert refused.exit_code == 2
    assert "remove it first" in refused.stderr
    kept(generators, "mine", stargan, twin=True)
    assert poise_targets.invoke(app, ["remove", "mine"]).exit_code == 0
    assert list(storage.entries("architectures")) == []
    kept(generators, "mine", stargan)
    for name in ("absent", "../mine", "mine-twin"):
        result = poise_targets.invoke(app, ["remove", name])
        assert result.exit_code == 2
        assert "known: mine" in result.stderr


def test_a_copy_that_was_changed_is_not_loaded_and_stops_no_other(
    generators: Generators, loaded: LoadedGenerators, storage: FolderStorage, stargan: Path
) -> None:
    record = kept(generators, "bad", stargan)
    kept(generators, "good", stargan)
    key = f"architectures/bad/{record.weights}"
    data = bytearray(storage.get(key))
    data[-1] ^= 1
    storage.put(key, bytes(data))
    with pytest.raises(BadCheckpoint, match="is damaged; delete it and add it again"):
        loaded.chosen(["bad", "good"])
    assert added(loaded.targets(twins=False)) == ["good"]
    # named alone, it leaves no photo without scores
    assert scoring(generators, "bad") == [*shipped_names(), "good"]


def test_twins_are_of_one_kind_and_never_trained_on(
    generators: Generators, loaded: LoadedGenerators, stargan: Path, small: Small, tmp_path: Path
) -> None:
    save_checkpoint(small("attgan"), tmp_path / "attgan.safetensors", extra={})
    with pytest.raises(NoTwin, match="no generator called mine"):
        kept(generators, "mine", stargan, twin=True)
    kept(generators, "mine", stargan)
    with pytest.raises(NoTwin, match="cannot be a attgan"):
        kept(generators, "mine", tmp_path / "attgan.safetensors", twin=True)
    assert loaded.chosen(["mine"])[1] == []
    kept(generators, "mine", stargan, twin=True)
    targets, twins, _ = loaded.chosen(["mine"])
    assert [target.name for target in (*targets, *twins)] == ["mine", "mine"]
    assert [(r.name, r.twin) for r in generators.all()] == [("mine", False), ("mine", True)]
    assert added(loaded.targets(twins=True)) == ["mine"]
    generators.enable("mine", enabled=False)
    assert added(loaded.targets(twins=True)) == added(loaded.targets(twins=False)) == []


def test_all_targets_come_from_one_place(generators: Generators, loaded: LoadedGenerators, stargan: Path) -> None:
    shipped = shipped_names()
    targets, twins, hashes = loaded.chosen()
    assert [target.name for target in targets] == [twin.name for twin in twins] == list(shipped)
    assert hashes == {name: digest for name, digest in surrogate_hashes().items() if name in shipped}
    kept(generators, "mine", stargan)
    targets, _, hashes = loaded.chosen(["mine", shipped[0], "mine"])
    assert [target.name for target in targets] == [shipped[0], "mine"]
    assert hashes["mine"] == sha256(stargan)
    with pytest.raises(UnknownName, match=r"known: .*mine"):
        loaded.chosen(["yours"])


@pytest.mark.usefixtures("data")
def test_commands_and_workers_use_what_is_registered(
    generators: Generators, loaded: LoadedGenerators, stargan: Path, small: Small, tmp_path: Path
) -> None:
    assert added(loaded.targets(twins=False)) == []
    torch.save(small("stargan").generator.state_dict(), tmp_path / "200000-G.ckpt")
    asked = poise_targets.invoke(app, ["add", "mine", "--checkpoint", str(tmp_path / "200000-G.ckpt")])
    assert asked.exit_code == 2
    said = " ".join(asked.stderr.split())
    assert "This StarGAN checkpoint does not say its image size and the names of its edits." in said
    assert "--image-size and --edits" in said
    command = ["add", "mine", "--checkpoint", str(tmp_path / "200000-G.ckpt"), "--image-size", "64"]
    done = poise_targets.invoke(app, [*command, "--edits", "smile,hat", "--licence", "CC0-1.0", "--json"])
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["name"], record["architecture"], record["licence"]) == ("mine", "stargan", "CC0-1.0")
    assert (record["image_size"], record["edits"], record["origin"]) == (64, ["smile", "hat"], "registered")
    assert (record["sha256"], record["twin"]) == (sha256(tmp_path / "200000-G.ckpt"), False)
    assert record["added"]
    targets, twins, hashes = chosen(f"mine,{shipped_names()[0]}", device=CPU)
    assert [target.name for target in targets] == [shipped_names()[0], "mine"]
    assert [twin.name for twin in twins] == [shipped_names()[0]]
    assert hashes["mine"] == record["sha256"]
    # a process that has loaded them before notices, and loads each once
    now = loaded.targets(twins=False)
    assert (now[-1].name, now[-1].image_size, now[-1].edits) == ("mine", 64, ("smile", "hat"))
    assert loaded.targets(twins=False) == now
    assert poise_targets.invoke(app, ["add", "mine", "--checkpoint", str(stargan), "--twin"]).exit_code == 0
    assert added(loaded.targets(twins=True)) == ["mine"]
    listed = poise_targets.invoke(app, ["list", "--json"])
    assert [(r["name"], r["twin"]) for r in json.loads(listed.stdout)["registered"]] == [
        ("mine", False),
        ("mine", True),
    ]
    assert "CC0-1.0" in poise_targets.invoke(app, ["list"]).stdout
    assert poise_targets.invoke(app, ["disable", "mine"]).exit_code == 0
    assert added(loaded.targets(twins=False)) == []
    assert poise_targets.invoke(app, ["enable", "mine"]).exit_code == 0
    assert added(loaded.targets(twins=False)) == ["mine"]
    assert poise_targets.invoke(app, ["remove", "mine"]).exit_code == 0
    assert generators.all() == []
    for which in (False, True):
        assert added(loaded.targets(twins=which)) == []
