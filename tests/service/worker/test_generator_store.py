"""One store: what is uploaded and what is registered lies side by side, and scores alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from typer.testing import CliRunner

from app.contracts.names import CHECK_ARCHITECTURE
from app.contracts.records import catalogue
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import Generator
from app.contracts.settings import Settings
from app.contracts.storage import Storage, storage_of
from perturbations.checkpoints import save_checkpoint, sha256
from perturbations.faces import locate
from perturbations.targets.stargan import StarGAN
from tests.helpers.generators import kept
from tests.service.conftest import Bench
from tests.service.helpers import building, s3
from tests.service.helpers.front_end import serving
from worker.commands.targets import app
from worker.generators.loaded import LoadedGenerators
from worker.queue.admin_sweeper import VERSION_SECONDS
from worker.queue.warm_up import prepare

KEY = "a-key-that-nobody-guesses"
HERE = "/v1/admin/architectures"
poise_targets = CliRunner()


def stargan(*, seed: int = 0) -> StarGAN:
    """Small, with two labels, trained (as it were) at 64 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StarGAN(edits={"smile": (1.0, 0.0), "hat": (0.0, 1.0)}, image_size=64, conv_dim=4, c_dim=2, repeat_num=1)


def official(folder: Path, *, seed: int = 0) -> Path:
    """Its checkpoint in the official layout, which says neither its size nor its edits."""
    path = folder / f"{seed}-G.ckpt"
    torch.save(stargan(seed=seed).generator.state_dict(), path)
    return path


def ours(folder: Path, *, seed: int = 0) -> Path:
    """Its checkpoint with a note."""
    path = folder / f"ours-{seed}.safetensors"
    save_checkpoint(stargan(seed=seed), path, extra={"recipe": "none"})
    return path


@pytest.fixture
def storage(bench: Bench) -> Storage:
    return storage_of(bench.settings)


@pytest.fixture
def generators(bench: Bench, storage: Storage) -> Generators:
    """The store as the service sees it."""
    return Generators(storage, bench.redis)


@pytest.fixture
def client(bench: Bench) -> Iterator[httpx.Client]:
    catalogue.publish(bench.redis, bench.library.catalogue())
    with serving(bench, admin_keys=KEY) as client:
        client.headers["X-API-Key"] = KEY
        yield client


@pytest.fixture
def command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``poise targets`` on the same data folder, without Redis."""
    monkeypatch.setenv("POISE_DATA_DIR", str(bench.settings.data_dir))

    def run(*arguments: str) -> dict[str, Any]:
        done = poise_targets.invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def uploaded(client: httpx.Client, bench: Bench, path: Path, name: str, **said: Any) -> dict[str, Any]:
    """The record of an upload after its check."""
    answer = client.post(HERE, params={"name": name, **said}, content=path.read_bytes())
    assert answer.status_code == 202, answer.text
    where = answer.headers["Location"]
    bench.library.check(where.rpartition("/")[2])
    record: dict[str, Any] = client.get(where).json()
    return record


def test_a_stargan_of_64_pixels_is_asked_for_its_size_and_scored_at_it(
    client: httpx.Client, bench: Bench, tmp_path: Path, astronaut_png: bytes
) -> None:
    refused = uploaded(client, bench, official(tmp_path), "mute")
    assert refused["status"] == "refused"
    assert refused["error"]["detail"] == (
        "This StarGAN checkpoint does not say its image size and the names of its edits. Send image_size and edits. "
        "It has 2 edits."
    )
    said = {"image_size": 64, "edits": "smile,hat", "licence": "CC0-1.0"}
    record = uploaded(client, bench, official(tmp_path), "mine", **said)
    assert record["status"] == "enabled", record
    assert (record["image_size"], record["edits"], record["licence"]) == (64, ["smile", "hat"], "CC0-1.0")
    assert (record["origin"], record["twin"]) == ("uploaded", False)
    twin = uploaded(client, bench, official(tmp_path, seed=1), "mine", twin=True, **said)
    assert (twin["status"], twin["name"], twin["twin"]) == ("enabled", "mine", True)
    assert client.get(f"{HERE}/mine-twin").json() == twin

    target = bench.library.targets(twins=False)[-1]
    assert (target.name, target.image_size, target.edits) == ("mine", 64, ("smile", "hat"))
    _, job = bench.accept(astronaut_png)
    bench.stages.protect(job.job_id, bench.perturbation)
    bench.stages.score(
        job.job_id, lambda: [target], lambda: [t for t in bench.library.targets(twins=True) if t.name == "mine"]
    )
    (row,) = bench.job(job.job_id).progress.scores
    assert (row.architecture, [edit.edit for edit in row.edits]) == ("mine", ["smile", "hat"])
    assert row.twin is not None, "the twin is scored as its twin"
    assert client.delete(f"{HERE}/mine").status_code == 204
    assert client.get(f"{HERE}/mine-twin").status_code == 404


def test_invalid_details_are_refused(client: httpx.Client, bench: Bench, tmp_path: Path) -> None:
    content = official(tmp_path).read_bytes()
    for said in ({"image_size": 4}, {"edits": "{"}, {"edits": "a,,b"}, {"edits": ["a", "a"]}, {"twin": "perhaps"}):
        answer = client.post(HERE, params={"name": "mine", **said}, content=content)
        assert answer.status_code == 422, said
    answer = client.post(HERE, params={"name": "mine", "twin": True}, content=content)
    assert (answer.status_code, "add it before its twin" in answer.json()["detail"]) == (409, True)
    assert "has 2 edits; names given: 1" in str(
        uploaded(client, bench, official(tmp_path), "few", image_size=64, edits="smile")["error"]
    )
    assert "another image_size may fit" in str(
        uploaded(client, bench, official(tmp_path), "odd", image_size=66, edits="smile,hat")["error"]
    )


def test_a_form_says_the_same(client: httpx.Client, bench: Bench, tmp_path: Path) -> None:
    files = {"file": ("G.ckpt", official(tmp_path).read_bytes())}
    fields = {"name": "mine", "image_size": "64", "edits": ["smile", "hat"], "licence": "", "twin": "false"}
    assert client.post(HERE, files=files, data=fields).status_code == 202
    bench.library.check("mine")
    record = client.get(f"{HERE}/mine").json()
    assert (record["status"], record["edits"], record["licence"]) == ("enabled", ["smile", "hat"], "")
    wrong = client.post(HERE, files=files, data={"name": "other", "image_size": "large"})
    assert (wrong.status_code, "image_size" in wrong.json()["detail"]) == (422, True)


def test_a_running_worker_sees_what_the_command_line_adds(
    client: httpx.Client, bench: Bench, storage: Storage, tmp_path: Path, command: Callable[..., dict[str, Any]]
) -> None:
    sweeper = building.admin_sweeper(bench.redis, storage, lambda *_: None)
    sweeper.sweep(0.0)
    before = bench.library.targets(twins=False)
    path = official(tmp_path)
    added = command("add", "mine", "--checkpoint", str(path), "--image-size", "64", "--edits", "smile,hat")
    assert client.get(f"{HERE}/mine").json() == {key: value for key, value in added.items() if key != "added"}
    bench.redis.delete("poise:turn:version")  # as time does
    sweeper.sweep(VERSION_SECONDS)
    target = bench.library.targets(twins=False)[-1]
    assert (target.name, target.image_size, target.edits) == ("mine", 64, ("smile", "hat"))
    # switched off over HTTP, seen by the command line, and removed there
    assert client.patch(f"{HERE}/mine", json={"enabled": False}).json()["status"] == "disabled"
    assert bench.library.targets(twins=False) == before
    assert command("list")["registered"][0]["status"] == "disabled"
    command("remove", "mine")
    assert client.get(f"{HERE}/mine").status_code == 404


OLD_FOLDER = """{{
 "name": "{name}",
 "twin": {twin},
 "architecture": "stargan",
 "paradigm": "label-conditioned translation",
 "config": {{"image_size": {size}, "edits": {edits}, "conv_dim": 4, "c_dim": 2, "repeat_num": 1}},
 "parameters": 12345,
 "bytes": {bytes},
 "sha256": "{digest}",
 "licence": "CC0-1.0",
 "added": "2026-11-20T10:00:00+00:00"
}}
"""
NUMBERED = '{"attribute_0": [1.0, 0.0], "attribute_1": [0.0, 1.0]}'
NAMED = '{"smile": [1.0, 0.0], "hat": [0.0, 1.0]}'


def old_folder(folder: Path, stem: str, path: Path, *, size: int, edits: str) -> None:
    """What ``poise targets add`` of an older version has left."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.checkpoint").write_bytes(path.read_bytes())
    name, twin = stem.removesuffix("-twin"), json.dumps(stem.endswith("-twin"))
    facts = {"bytes": path.stat().st_size, "digest": sha256(path)}
    (folder / f"{stem}.json").write_text(OLD_FOLDER.format(name=name, twin=twin, size=size, edits=edits, **facts))


def test_a_folder_of_an_older_version_is_moved_and_nothing_deleted(
    bench: Bench, generators: Generators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(bench.settings.data_dir))
    folder = bench.settings.targets_dir
    old_folder(folder, "told", official(tmp_path), size=64, edits=NAMED)
    old_folder(folder, "told-twin", ours(tmp_path), size=64, edits=NAMED)
    old_folder(folder, "guessed", official(tmp_path, seed=1), size=256, edits=NUMBERED)
    old_folder(folder, "lost", official(tmp_path), size=64, edits=NAMED)
    (folder / "lost.checkpoint").write_bytes(b"something else")
    (folder / "broken.json").write_text("{")
    done = poise_targets.invoke(app, ["list", "--json"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "poise targets add lost" in said
    assert "broken.json cannot be moved" in said
    found = {record.key: record for record in generators.all()}
    assert found.keys() == {"told", "told-twin", "guessed"}
    assert {found[key].status for key in ("told", "told-twin")} == {"enabled"}
    told = found["told"]
    assert (told.image_size, told.edits, told.licence, told.origin) == (64, ["smile", "hat"], "CC0-1.0", "registered")
    assert told.created_at.isoformat() == "2026-11-20T10:00:00+00:00"
    guessed = found["guessed"]
    assert (guessed.status, guessed.image_size) == ("disabled", 256)
    assert guessed.error is not None
    assert guessed.error.detail == (
        "An older version assumed that this generator works at 256 pixels and has the edits attribute_0, "
        "attribute_1; the checkpoint does not say so. If this is right, enable it. If not, delete it and add it again "
        "with image_size and edits."
    )
    names = {path.name for path in folder.iterdir()}
    assert {"told.json.moved", "told.checkpoint", "guessed.json.moved", "lost.json", "broken.json"} <= names
    generators.stamp.announce()
    assert [t.name for t in bench.library.targets(twins=False) if t.name in found] == ["told"]
    # who knows that it was right says so
    assert poise_targets.invoke(app, ["enable", "guessed"]).exit_code == 0
    generators.stamp.announce()
    assert {t.name for t in bench.library.targets(twins=False)} >= {"told", "guessed"}


def test_a_worker_moves_such_a_folder_when_it_starts(
    bench: Bench, storage: Storage, generators: Generators, tmp_path: Path
) -> None:
    old_folder(bench.settings.targets_dir, "told", official(tmp_path), size=64, edits=NAMED)
    for _ in range(2):  # as processes side by side do
        prepare(
            ["protect"],
            redis=bench.redis,
            versions=bench.versions,
            generators=generators,
            registered=bench.settings.targets_dir,
            library=bench.library,
            locator=locate,
        )
    assert [(record.key, record.status) for record in generators.all()] == [("told", "checking")]
    published = catalogue.published(bench.redis)
    assert published is not None
    assert "told" not in published.targets, "the store has it"
    sent: list[tuple[str, str]] = []
    assert building.admin_sweeper(bench.redis, storage, lambda *task: sent.append(task)).recheck(older_than=300) == 1
    assert sent == [(CHECK_ARCHITECTURE, "told")]


OLD_UPLOAD = """{{"name":"{name}","status":"{status}","created_at":"2026-11-20T10:00:00Z",
"bytes":{bytes},"sha256":"{sha256}","architecture":"stargan","paradigm":"label-conditioned translation",
"parameters":12345,"config":{{"image_size":{size},"edits":{edits},"conv_dim":4,"c_dim":2,"repeat_num":1}},
"weights":"{weights}","seconds":0.1,"megabytes":1,"error":null,"attempts":1}}"""


def test_an_upload_whose_size_was_guessed_is_not_scored(
    bench: Bench, storage: Storage, generators: Generators, tmp_path: Path
) -> None:
    """Records as the version before wrote them: of a pickle that was converted, and of safetensors with a note."""
    guessed = StarGAN(edits=json.loads(NUMBERED), image_size=256, conv_dim=4, c_dim=2, repeat_num=1)
    guessed.load_generator(stargan().generator.state_dict())
    save_checkpoint(guessed, tmp_path / "converted", extra={})
    noted = ours(tmp_path)
    for name, path, came, size, edits in (
        ("guessed", tmp_path / "converted", "0" * 64, 256, NUMBERED),
        ("noted", noted, sha256(noted), 64, NAMED),
    ):
        weights = sha256(path)
        facts = {"bytes": 1000, "sha256": came, "weights": weights, "size": size, "edits": edits}
        storage.put_file(f"architectures/{name}/{weights}", path)
        record = OLD_UPLOAD.format(name=name, status="enabled", **facts)
        storage.put(f"architectures/{name}/record.json", record.encode())
    assert not {"guessed", "noted"} & {t.name for t in bench.library.targets(twins=False)}, "checked again first"
    sweeper = building.admin_sweeper(bench.redis, storage, lambda _, key: bench.library.check(key))
    assert sweeper.recheck(older_than=0) == 2
    assert sweeper.recheck(older_than=0) == 0
    found = Generator.model_validate(generators.get("guessed"))
    assert found.status == "disabled"
    assert found.error is not None
    assert "works at 256 pixels and has the edits attribute_0, attribute_1" in found.error.detail
    target = bench.library.targets(twins=False)[-1]
    assert (target.name, target.image_size, target.edits) == ("noted", 64, ("smile", "hat"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    with s3.serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


def test_workers_on_every_host_see_it_in_a_bucket(
    bench: Bench, bucket: s3.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.environment("store").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "one"))
    url, endpoint = os.environ["POISE_STORAGE_URL"], os.environ["POISE_S3_ENDPOINT"]
    there = storage_of(Settings(storage_url=url, s3_endpoint=endpoint, data_dir=tmp_path / "other"))
    generators = Generators(there, bench.redis)
    loaded = LoadedGenerators(generators, building.SURROGATES, scratch=tmp_path)
    before = loaded.targets(twins=False)
    path = official(tmp_path)
    options = ["--checkpoint", str(path), "--image-size", "64", "--edits", "smile,hat"]
    done = poise_targets.invoke(app, ["add", "mine", *options])
    assert done.exit_code == 0, done.output
    generators.stamp.announce()
    assert loaded.targets(twins=False)[-1].edits == ("smile", "hat")
    kept(Generators(there, None), "noted", ours(tmp_path))
    generators.stamp.announce()
    assert {"mine", "noted"} <= {target.name for target in loaded.targets(twins=False)}
    assert poise_targets.invoke(app, ["remove", "mine"]).exit_code == 0
    generators.delete("noted")
    assert loaded.targets(twins=False) == before
    assert bucket.names("store/architectures") == set()
