"""``poise perturbations``: the same storage as the service, whether that runs or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from perturbations import artifact
from worker.cli import app


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "var"))


def poise(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["perturbations", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: str) -> int:
    return CliRunner().invoke(app, ["perturbations", *arguments]).exit_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    delta = artifact.active().delta / 2
    artifact.save(tmp_path / "other", delta, epsilon=0.05, weighting="uniform", sidecar={"targets": {}})
    return tmp_path / "other"


def test_what_ships_is_active_at_first(tmp_path: Path) -> None:
    assert poise("show")["version"] == artifact.active().version
    assert not (tmp_path / "var").exists(), "looking writes nothing"
    (row,) = poise("list")["perturbations"]
    assert (row["version"], row["active"], row["origin"]) == (artifact.active().version, True, "shipped")


def test_import_activate_roll_back_export(folder: Path, tmp_path: Path) -> None:
    shipped = artifact.active().version
    other = poise("import", str(folder))["version"]
    assert poise("show")["version"] == shipped
    assert poise("show", other)["version"] == other
    assert poise("activate", other)["version"] == other
    assert poise("show")["version"] == other
    assert {row["version"]: row["active"] for row in poise("list")["perturbations"]} == {shipped: False, other: True}
    assert poise("rollback")["version"] == shipped
    assert refused("rollback") == 2
    poise("export", other, "--out", str(tmp_path / "out"))
    assert artifact.load(tmp_path / "out").version == other


def test_what_is_no_version_is_refused(folder: Path, tmp_path: Path) -> None:
    assert refused("activate", "nothing") == 2
    assert refused("export", "nothing", "--out", str(tmp_path / "out")) == 2
    assert refused("show", "nothing") == 2
    assert refused("import", str(tmp_path)) == 2
    (folder / artifact.SIDECAR).write_text((folder / artifact.SIDECAR).read_text().replace("uniform-", "other-"))
    assert refused("import", str(folder)) == 2
