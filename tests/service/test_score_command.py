"""``poise score`` speaks of the generators a report speaks of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.contracts.records.generator_store import Generators
from app.contracts.records.versions import Versions
from app.contracts.storage import storage_of
from perturbations.checkpoints.loading import sha256
from tests.service.conftest import Bench
from tests.service.helpers import admin_uploads, building
from worker.cli import app


def test_uploaded_generators_keep_score_on_the_command_line_as_well(
    bench: Bench, tmp_path: Path, astronaut_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(bench.settings.data_dir))
    photo = tmp_path / "photo.png"
    photo.write_bytes(astronaut_png)
    uploads = Generators(storage_of(bench.settings), bench.redis)
    library = building.library(Versions(storage_of(bench.settings), bench.redis), uploads, scratch=tmp_path / "scratch")
    for name, seed in (("mine", 0), ("other", 1)):
        checkpoint = tmp_path / name
        checkpoint.write_bytes(admin_uploads.tiny_checkpoint(tmp_path, seed=seed))
        uploads.add(checkpoint, name=name, sha256=sha256(checkpoint))
        library.check(name)
    uploads.enable("other", enabled=False)
    done = CliRunner().invoke(app, ["score", str(photo), str(photo), "--json"])
    assert done.exit_code == 0, done.output
    wanted = [target.name for target in library.targets(twins=False)]
    assert wanted[-1] == "mine"
    assert [row["architecture"] for row in json.loads(done.stdout)["scores"]] == wanted
