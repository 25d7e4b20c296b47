"""Generators from outside: tried in a process of their own, under limits, and loaded from what that has written."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from app.contracts.generator_limits import Allowance
from app.contracts.generator_options import GivenDetails
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import Generator, NoRoom
from app.contracts.storage import storage_of
from perturbations.checkpoints import load_checkpoint, reading
from perturbations.errors import BadCheckpoint
from perturbations.faces import locate
from tests.service.conftest import Bench
from tests.service.helpers import admin_uploads, building, hostile
from worker.commands.targets import app
from worker.generators.checking import tried
from worker.library import Library
from worker.queue import warm_up

SHORT = Allowance(check_seconds=4)


def add(architectures: Generators, path: Path, name: str, details: GivenDetails | None = None) -> Generator:
    return architectures.add(path, name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), details=details)


def library_of(bench: Bench, allowance: Allowance) -> tuple[Library, Generators]:
    architectures = Generators(storage_of(bench.settings), bench.redis, allowance)
    return building.library(bench.versions, architectures, scratch=bench.settings.data_dir / "scratch"), architectures


def checked(
    bench: Bench, path: Path, name: str = "mine", allowance: Allowance = SHORT, details: GivenDetails | None = None
) -> Generator:
    """The record of an upload after its check."""
    library, architectures = library_of(bench, allowance)
    add(architectures, path, name, details)
    library.check(name)
    record = architectures.get(name)
    assert record is not None
    return record


def reason(record: Generator) -> str:
    assert record.error is not None
    return record.error.detail


@contextmanager
def beating() -> Iterator[list[float]]:
    """A thread like the one that signs a worker in; the pauses between its beats."""
    pauses: list[float] = []
    over = threading.Event()

    def beat() -> None:
        last = time.monotonic()
        while not over.wait(0.05):
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield pauses
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("content", [hostile.hashing_bomb(), hostile.zipped_hashing_bomb()], ids=["bare", "zip"])
def test_a_file_that_takes_ages_to_hash_is_stopped_and_nothing_else(
    bench: Bench, tmp_path: Path, content: bytes
) -> None:
    assert len(content) < 1000
    path = tmp_path / "bomb.ckpt"
    path.write_bytes(content)
    began = time.monotonic()
    with beating() as pauses:
        record = checked(bench, path, allowance=Allowance(check_seconds=5))
    assert record.status == "refused"
    assert record.attempts == 1
    assert "POISE_CHECK_SECONDS" in reason(record)
    assert time.monotonic() - began < 25
    assert max(pauses) < 2


def test_a_slow_generator_is_refused_with_both_figures(bench: Bench, tmp_path: Path) -> None:
    record = checked(bench, hostile.resized("stargan", tmp_path, image_size=1024), allowance=Allowance(seconds=10))
    assert record.status == "refused"
    assert "s of processor time and " in reason(record)
    assert " MB" in reason(record)
    assert "10 s for one face (POISE_GENERATOR_SECONDS) and 1500 MB (POISE_GENERATOR_MEGABYTES)" in reason(record)


def test_a_large_generator_is_refused_with_both_figures(bench: Bench, tmp_path: Path) -> None:
    record = checked(bench, hostile.resized("stargan", tmp_path, image_size=4096), allowance=Allowance(megabytes=800))
    assert record.status == "refused"
    assert "was stopped after" in reason(record)
    assert " MB; the limits are 60 s for one face" in reason(record)
    small = checked(bench, hostile.resized("stargan", tmp_path, image_size=512), "small", Allowance(megabytes=50))
    assert small.status == "refused"
    assert "50 MB (POISE_GENERATOR_MEGABYTES)" in reason(small)


def test_edits_are_counted(bench: Bench, tmp_path: Path) -> None:
    assert "101 edits" in reason(checked(bench, hostile.many_edits(tmp_path, 101)))
    slow = checked(bench, hostile.many_edits(tmp_path, 100), "slow", Allowance(seconds=1))
    assert "its 100 edits" in reason(slow)
    long = hostile.resized("stargan", tmp_path, edits={"x" * 65: [1.0] * 4})
    assert "64 characters" in reason(checked(bench, long, "long"))


def test_edits_without_finite_output_are_refused(bench: Bench, tmp_path: Path) -> None:
    assert "has values that are not finite" in reason(checked(bench, hostile.poisoned(tmp_path)))


@pytest.mark.new_interpreter
def test_the_record_of_a_check_says_what_it_costs(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes(admin_uploads.tiny_checkpoint(tmp_path))
    record = checked(bench, path)
    assert record.status == "enabled"
    assert record.weights == record.sha256
    assert record.seconds is not None
    assert 0 <= record.seconds < 5
    assert record.megabytes is not None
    assert 0 <= record.megabytes < 100


def test_a_pickle_is_read_once_and_never_by_a_worker(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = admin_uploads.tiny_generator()
    path = tmp_path / "200000-G.ckpt"
    torch.save(original.generator.state_dict(), path)
    expected = load_checkpoint(path, config={"image_size": 64, "edits": {"smile": [1.0]}})
    record = checked(bench, path, details=GivenDetails(image_size=64, edits=["smile"]))
    assert record.status == "enabled"
    assert record.weights != record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    storage = storage_of(bench.settings)
    assert {entry.key for entry in storage.entries("architectures")} == {
        "architectures/mine/record.json",
        f"architectures/mine/{record.weights}",
    }
    monkeypatch.setattr(reading, "_read_torch", lambda *_: pytest.fail("an unpickler in a worker"))
    library, architectures = library_of(bench, SHORT)
    target = library.targets(twins=False)[-1]
    assert target.name == "mine"
    face = torch.rand(1, 3, 64, 64) * 2 - 1
    assert target.edits == expected.edits
    for edit in target.edits:
        assert torch.equal(target(face, edit), expected(face, edit)), "the copy is exact"
    assert library.chosen(["mine"])[2] == {"mine": record.sha256}
    architectures.delete("mine")
    assert list(storage.entries("architectures")) == []


def test_a_copy_keeps_the_precision_of_its_file(tmp_path: Path) -> None:
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in admin_uploads.tiny_generator().generator.state_dict().items()
    }
    torch.save({"G": state}, tmp_path / "half.pth")
    details = GivenDetails(image_size=16, edits=["smile"])
    found = tried(tmp_path / "half.pth", tmp_path / "copy", allowance=SHORT, details=details)
    assert found.converted
    assert found.kept == tmp_path / "copy"
    copy = reading.read_state(found.kept)
    assert {name: tensor.dtype for name, tensor in copy.items()} == {name: t.dtype for name, t in state.items()}
    assert all(torch.equal(copy[name], tensor) for name, tensor in state.items())


def test_an_upload_of_an_older_release_is_checked_again(bench: Bench, tmp_path: Path) -> None:
    library, architectures = library_of(bench, SHORT)
    path = tmp_path / "old.ckpt"
    torch.save(admin_uploads.tiny_generator().generator.state_dict(), path)
    old = add(architectures, path, "old")
    old.status, old.rules = "enabled", 1
    architectures.checked(old)
    assert "old" not in [target.name for target in library.targets(twins=False)], "nothing is unpickled here"
    sweeper = building.admin_sweeper(bench.redis, storage_of(bench.settings), lambda _, name: library.check(name))
    assert sweeper.recheck(older_than=0) == 1
    found = architectures.get("old")
    assert found is not None
    assert found.status == "disabled", "older releases did not ask for its size, nor for its edits"
    assert "works at 256 pixels and has the edits attribute_0" in reason(found)
    assert architectures.enable("old", enabled=True).error is None
    assert library.targets(twins=False)[-1].name == "old"
    assert sweeper.recheck(older_than=0) == 0


def test_all_enabled_generators_share_the_limits(bench: Bench, tmp_path: Path) -> None:
    allowance = Allowance(seconds=10, megabytes=100)
    library, architectures = library_of(bench, allowance)
    path = tmp_path / "tiny"
    path.write_bytes(admin_uploads.tiny_checkpoint(tmp_path))
    large = add(architectures, path, "large")
    large.status, large.weights, large.seconds, large.megabytes = "enabled", large.sha256, 9.99, 99
    architectures.checked(large)
    add(architectures, path, "second")
    second = Generator.model_validate(architectures.get("second"))
    second.status, second.weights, second.seconds, second.megabytes = "enabled", second.sha256, 0.5, 1
    architectures.checked(second)
    kept = architectures.get("second")
    assert kept is not None
    assert kept.status == "disabled"
    assert "10.5 s of processor time for one face and 100 MB" in reason(kept)
    with pytest.raises(NoRoom, match="POISE_GENERATOR_SECONDS"):
        architectures.enable("second", enabled=True)
    architectures.enable("large", enabled=False)
    assert architectures.enable("second", enabled=True).error is None
    assert [target.name for target in library.targets(twins=False)][-1] == "second"


def test_generators_are_counted(bench: Bench, tmp_path: Path) -> None:
    _, architectures = library_of(bench, Allowance(most=2))
    path = tmp_path / "file"
    path.write_bytes(b"x")
    add(architectures, path, "one")
    add(architectures, path, "two")
    with pytest.raises(NoRoom, match="POISE_MAX_GENERATORS"):
        add(architectures, path, "three")
    architectures.delete("one")
    add(architectures, path, "three")
    assert [record.name for record in architectures.all()] == ["three", "two"]


def test_a_change_loads_only_what_changed(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, architectures = library_of(bench, SHORT)
    path = tmp_path / "tiny"
    path.write_bytes(admin_uploads.tiny_checkpoint(tmp_path))
    for name in ("one", "two"):
        record = add(architectures, path, name)
        record.status, record.weights = "enabled", record.sha256
        architectures.checked(record)
    before = library.targets(twins=False)[-2:]
    monkeypatch.setattr(
        library._loaded_generators, "_load", lambda record: pytest.fail(f"{record.name} is loaded already")
    )
    architectures.enable("one", enabled=False)
    assert library.targets(twins=False)[-1] is before[1]


def test_warming_up_leaves_out_what_was_added(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow one would keep a worker from starting, for every time it is started again."""
    tiny = admin_uploads.tiny_generator()
    monkeypatch.setattr(bench.library, "scoring_surrogates", lambda *, twins: () if twins else (tiny,))
    monkeypatch.setattr(bench.library, "targets", lambda **_: pytest.fail("generators of the store are left out"))
    warm_up.warm_up(["score"], bench.library, locate)


@pytest.fixture
def targets_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    return CliRunner()


def test_registering_is_checked_in_the_same_way(
    targets_command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISE_CHECK_SECONDS", "5")
    monkeypatch.setenv("POISE_GENERATOR_SECONDS", "1")
    bomb = tmp_path / "bomb.ckpt"
    bomb.write_bytes(hostile.hashing_bomb())
    slow = hostile.resized("stargan", tmp_path, image_size=1024)
    for file, why in ((bomb, "POISE_CHECK_SECONDS"), (slow, "POISE_GENERATOR_SECONDS")):
        for command in (["add", "mine", "--checkpoint", str(file)], ["check", str(file)]):
            result = targets_command.invoke(app, command)
            assert result.exit_code == 2, result.output
            assert why in result.stderr
    assert list((tmp_path / "data").rglob("record.json")) == []


def test_registered_pickles_become_safetensors(
    targets_command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "200000-G.ckpt"
    torch.save(admin_uploads.tiny_generator().generator.state_dict(), path)
    monkeypatch.setattr(reading, "_read_torch", lambda *_: pytest.fail("an unpickler in this process"))
    options = ["--checkpoint", str(path), "--edits", '{"on": [1.0], "off": [0.0]}', "--image-size", "16"]
    result = targets_command.invoke(app, ["add", "mine", *options, "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["edits"] == ["on", "off"]
    assert load_checkpoint(tmp_path / "data/storage/architectures/mine" / record["weights"]).edits == ("on", "off")
    monkeypatch.setenv("POISE_MAX_GENERATORS", "1")
    again = targets_command.invoke(app, ["add", "other", *options])
    assert again.exit_code == 2
    assert "POISE_MAX_GENERATORS" in again.stderr
    assert targets_command.invoke(app, ["add", "mine", *options, "--twin"]).exit_code == 0


def test_unusable_checkpoints_say_why(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="no such file"):
        tried(tmp_path / "absent", tmp_path / "copy", allowance=SHORT)
    with pytest.raises(BadCheckpoint, match="is a folder without"):
        tried(tmp_path, tmp_path / "copy", allowance=SHORT)
