"""``poise train``: a version in a folder, from nothing or from another version."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.contracts.records.generator_store import Generators
from app.contracts.storage import FolderStorage
from perturbations import artifact
from perturbations.bounds import rms
from perturbations.checkpoints import save_checkpoint
from perturbations.data.synthetic import synthetic_faces
from perturbations.targets import Target
from tests.helpers.generators import kept
from worker.cli import app

poise = CliRunner()


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Callable[[str], Target]) -> Callable[..., int]:
    """``poise train`` of one step on a dozen faces, against one small generator, into a folder."""
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    save_checkpoint(small("stargan"), tmp_path / "mine.safetensors", extra={})
    kept(Generators(FolderStorage(tmp_path / "data" / "storage"), None), "mine", tmp_path / "mine.safetensors")
    with zipfile.ZipFile(synthetic_faces()) as archive:
        archive.extractall(tmp_path / "faces", sorted(n for n in archive.namelist() if n.endswith(".webp"))[:12])
    fixed = ["--faces", str(tmp_path / "faces"), "--targets", "mine", "--preset", "quick", "--steps", "1", "--json"]

    def run(out: str, *options: str) -> int:
        result = poise.invoke(app, ["train", "--out", str(tmp_path / out), *fixed, *options])
        if result.exit_code == 0:
            json.loads(result.stdout)
        return result.exit_code

    return run


def test_a_training_starts_from_another_version(train: Callable[..., int], tmp_path: Path) -> None:
    assert train("first") == 0
    first = artifact.load(tmp_path / "first")
    assert train("second", "--warm-start", str(tmp_path / "first")) == 0
    second = artifact.load(tmp_path / "second")
    step = 8e-3 + 1e-6  # of the preset
    assert 0 < float(rms(second.delta - first.delta)) <= step
    # what one generator alone allows is known by then, and not measured again
    assert second.sidecar["attainable"] == first.sidecar["attainable"]
    assert not list((tmp_path / "second").glob("alone-*"))
    assert train("third", "--warm-start", "nothing-of-that-name") == 2


def test_what_the_active_version_knows_is_not_measured_again(train: Callable[..., int], tmp_path: Path) -> None:
    assert train("one", "--targets", "stargan") == 0
    assert artifact.load(tmp_path / "one").sidecar["attainable"] == {
        "stargan": artifact.active().sidecar["attainable"]["stargan"]
    }
    assert not list((tmp_path / "one").glob("alone-*"))
