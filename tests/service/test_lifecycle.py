"""An administrator's day, over HTTP and on the command line, on a whole service: train, promote, reject, roll back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from perturbations import artifact
from perturbations.checkpoints.loading import sha256
from tests.helpers.waiting import until
from tests.service.helpers import admin_uploads, running
from tests.service.helpers.examples import DOCS, blocks, needs_curl_and_jq, run_shell
from tests.service.helpers.killing import Part, kill
from tests.service.helpers.running import Running

KEY = "an-administrator's-key"
PATIENCE = 900.0
"""Seconds a quick training may take beside other work; on two idle cores it is well under one minute."""
SMALL = 0.0125
STEPS = 80
"""Enough for two crashes on the way."""
KEPT = 25
"""The step of the first checkpoint. Whoever crashes before it begins anew."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    started = running.start(
        tmp_path_factory.mktemp("lifecycle") / "var", POISE_ADMIN_KEYS=KEY, POISE_TRAINING_PRIORITY="normal"
    )
    started.client.headers["Authorization"] = f"Bearer {KEY}"
    yield started
    started.stop()


def read(run: Running, path: str) -> dict[str, Any]:
    """What is there, once Redis and the front end are."""
    answers: list[httpx.Response] = []

    def asked() -> bool:
        try:
            answers.append(run.client.get(path))
        except httpx.TransportError:
            return False
        return answers[-1].status_code != 503

    until(asked)
    assert answers[-1].status_code == 200, answers[-1].text
    document: dict[str, Any] = answers[-1].json()
    return document


def going_on(run: Running, training: str) -> dict[str, Any]:
    """A training that has not ended yet."""
    now = read(run, training)
    assert now["status"] in ("queued", "running"), now
    return now


def posted(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


def weak(folder: Path, *, epsilon: float, digest: str, name: str = admin_uploads.TINY) -> Path:
    """A version that does nothing, but says what can be attained, so that trainings need not find out."""
    known = {"targets": {name: digest}, "attainable": {name: 0.5}, "breaks_at": {name: epsilon}}
    artifact.save(
        folder,
        torch.zeros(artifact.SHAPE) + epsilon / (100 + len(name)),
        epsilon=epsilon,
        weighting="uniform",
        sidecar=known,
    )
    return folder


def poise(run: Running, *arguments: str) -> dict[str, Any]:
    """The command line, on the same data as the service that runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POISE_")}
    done = subprocess.run(
        [sys.executable, "-c", "from worker.cli import app; app()", *arguments, "--json"],
        env={**clean, "POISE_DATA_DIR": str(run.data_dir)},
        capture_output=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def scored(run: Running, photo: bytes) -> tuple[str, float]:
    """The version a photo gets now, and its effect on the tiny generator."""
    report = run.settled(run.accepted(photo), seconds=PATIENCE)
    assert report["status"] == "scored", report
    (tiny,) = [row for row in report["scores"] if row["architecture"] == admin_uploads.TINY]
    return report["perturbation"]["version"], tiny["l2_mask"]


@pytest.mark.slow
def test_train_promote_reject_roll_back(run: Running, tmp_path: Path, astronaut_png: bytes) -> None:
    checkpoint = tmp_path / "tiny.safetensors"
    checkpoint.write_bytes(admin_uploads.tiny_checkpoint(tmp_path))
    posted(run.client.post("/v1/admin/architectures?name=tiny", content=checkpoint.read_bytes()))
    until(lambda: read(run, "/v1/admin/architectures/tiny")["status"] == "enabled")
    faces = admin_uploads.zipped(admin_uploads.face_files(astronaut_png, 32))
    posted(run.client.post("/v1/admin/datasets?name=faces", content=faces))

    # a weak version, made active on the command line while the service runs
    folder = weak(tmp_path / "weak", epsilon=0.05, digest=sha256(checkpoint))
    poor = poise(run, "perturbations", "import", str(folder), "--activate")["version"]
    until(lambda: read(run, "/v1/perturbations/active")["version"] == poor)
    version, before = scored(run, astronaut_png)
    assert version == poor

    # a training on the faces that ship; its process, that process's parent and Redis are killed on its way
    wanted = {"targets": [admin_uploads.TINY], "preset": "quick", "steps": STEPS}
    here = run.client.post("/v1/admin/trainings", json=wanted).headers["Location"]
    waiting = run.client.post("/v1/admin/trainings", json=wanted).headers["Location"]
    until(lambda: read(run, here)["step"] > KEPT, seconds=PATIENCE)
    assert read(run, waiting)["status"] == "queued", "one at a time"
    assert run.client.delete(waiting).json()["status"] == "cancelled"
    parts: tuple[Part, ...] = ("child", "parent")
    for part in parts:
        at = read(run, here)["step"]
        assert kill(run, part, "train")
        until(lambda: (now := going_on(run, here))["step"] > now["crashed_at"] >= at, seconds=PATIENCE)  # noqa: B023
    assert kill(run, "redis")
    training = until(lambda: (now := read(run, here))["status"] not in ("queued", "running") and now, seconds=PATIENCE)
    assert training["status"] == "succeeded", training
    assert training["crashes"] == 1, "there was progress in between"
    assert training["step"] == training["steps"] == STEPS

    # the next photo gets what came out, and it does more
    better = training["perturbation"]
    assert read(run, "/v1/perturbations/active")["version"] == better
    version, after = scored(run, astronaut_png)
    assert version == better
    assert after > before

    # a quarter of the bound cannot do as much, on faces that were uploaded
    folder = weak(tmp_path / "small", epsilon=SMALL, digest=sha256(checkpoint))
    poise(run, "perturbations", "import", str(folder))
    weaker = {**wanted, "steps": 16, "dataset": "faces", "epsilon": SMALL}
    here = run.client.post("/v1/admin/trainings", json=weaker).headers["Location"]
    training = until(lambda: (now := read(run, here))["status"] not in ("queued", "running") and now, seconds=PATIENCE)
    assert training["status"] == "rejected", training
    assert admin_uploads.TINY in training["error"]["detail"]
    assert read(run, "/v1/perturbations/active")["version"] == better

    # back to the weak one, and a photo that asks for the better one by name all the same
    assert posted(run.client.post("/v1/admin/perturbations/rollback"))["version"] == poor
    assert scored(run, astronaut_png)[0] == poor
    asked = run.settled(run.accepted(astronaut_png, perturbation=better, scores="false"))
    assert asked["perturbation"]["version"] == better
    assert not list((run.data_dir / "trainings").iterdir())
    assert KEY not in run.log.read_text()


@pytest.mark.slow
@needs_curl_and_jq
def test_examples_of_the_guide(run: Running, tmp_path: Path, astronaut_png: bytes) -> None:
    """As ``docs/admin.md`` has them, but for a generator that trains in seconds, and the key the service knows."""
    (tmp_path / "faces.zip").write_bytes(admin_uploads.zipped(admin_uploads.face_files(astronaut_png, 32)))
    (tmp_path / "generator.ckpt").write_bytes(admin_uploads.official_checkpoint(tmp_path))
    # of another seed than the generator above: the same training again would give a version that is there already
    checkpoint = tmp_path / "brief.safetensors"
    checkpoint.write_bytes(admin_uploads.tiny_checkpoint(tmp_path, seed=2))
    posted(run.client.post("/v1/admin/architectures?name=brief", content=checkpoint.read_bytes()))
    until(lambda: read(run, "/v1/admin/architectures/brief")["status"] == "enabled")
    poise(
        run, "perturbations", "import", str(weak(tmp_path / "b", epsilon=0.05, digest=sha256(checkpoint), name="brief"))
    )
    before = read(run, "/v1/perturbations/active")["version"]
    guide = blocks("admin.md", "sh")
    asked = '"preset": "quick"'
    assert asked in guide
    script = 'openssl() { echo "$ITS_KEY"; }\n' + guide.replace(asked, asked + ', "steps": 12, "targets": ["brief"]')
    shown = run_shell(script, run, tmp_path, ITS_KEY=KEY)
    assert "event: training" in shown
    ended, cancelled = reversed(read(run, "/v1/admin/trainings")["trainings"][:2])
    assert ended["status"] in ("succeeded", "rejected")
    assert cancelled["status"] == "cancelled" or cancelled["cancelling"]
    listed = read(run, "/v1/admin/perturbations")
    assert [entry["version"] for entry in listed["history"][-2:]] == [ended["perturbation"], before]
    assert read(run, "/v1/admin/architectures/stargan_celeba")["status"] == "disabled"


def test_backups_know_every_folder(run: Running) -> None:
    text = (DOCS / "deploy.md").read_text()
    text = text[text.index("## Backups") :]
    storage = run.data_dir / "storage"
    folders = [path for where in (run.data_dir, storage) for path in where.iterdir() if path.is_dir()]
    assert storage in folders
    assert [path.name for path in folders if path.name[0] != "." and f"`{path.name}/`" not in text] == []
