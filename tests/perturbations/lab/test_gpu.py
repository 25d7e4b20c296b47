"""``benchmarks.gpu`` on a CPU, with networks that take seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu
from perturbations.checkpoints.loading import load_checkpoint
from perturbations.lab.surrogates.manifest import networks
from perturbations.lab.surrogates.training import CHECKPOINT

ROW = """
[[network]]
name = "{name}"
architecture = "{architecture}"
half = 0
seed = 1
width = 4
stages = "{stages}"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.toml"
    rows = [("attgan", "attgan", "32:2,64:1"), ("stargan", "stargan", "32:2,64:100000")]
    path.write_text("".join(ROW.format(name=n, architecture=a, stages=s) for n, a, s in rows))
    return path


def test_what_is_complete_and_what_is_not_come_back_and_are_gone_on_with(
    manifest: Path, folder: Path, tmp_path: Path
) -> None:
    out, into = tmp_path / "out", tmp_path / "build"
    faces = ["--faces", str(folder), "--manifest", str(manifest)]
    gpu.main(["one", *faces, "--out", f"{out}-work", "--minutes", "0", "--names", "stargan"])  # stops after a step
    gpu.main(["train", *faces, "--out", str(out), "--minutes", "5", "--names", "attgan"])
    gpu.pack(Path(f"{out}-work"), out, networks(manifest))
    parts = list(out.iterdir())
    assert 1 <= len(parts) <= gpu.MOST_FILES
    assert all(part.stat().st_size <= gpu.MOST_BYTES for part in parts)
    gpu.main(["unpack", str(out), "--into", str(into)])
    assert load_checkpoint(into / "attgan" / "64" / "attgan.safetensors").image_size == 64
    assert not (into / "attgan" / CHECKPOINT).exists()
    assert (into / "stargan" / CHECKPOINT).exists()
    begun = (into / "stargan" / CHECKPOINT).stat().st_size
    gpu.main(["one", *faces, "--out", str(into), "--minutes", "0", "--names", "stargan"])
    assert (into / "stargan" / CHECKPOINT).stat().st_size == pytest.approx(begun, rel=0.1)


def test_a_checkpoint_that_does_not_fit_is_left_out(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "MOST_BYTES", 20_000)
    work = tmp_path / "work"
    for name, size in (("attgan", 200_000), ("stargan", 1_000)):
        (work / name).mkdir(parents=True)
        (work / name / CHECKPOINT).write_bytes(bytes(size))
    gpu.pack(work, tmp_path / "out", networks(manifest))
    gpu.main(["unpack", str(tmp_path / "out"), "--into", str(tmp_path / "build")])
    assert [path.parent.name for path in (tmp_path / "build").rglob(CHECKPOINT)] == ["stargan"]


def test_it_measures(folder: Path, tmp_path: Path) -> None:
    gpu.main(["measure", "--faces", str(folder), "--out", str(tmp_path / "out"), "--tiny"])
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert figures["steps"] == 4
    assert min(figures["protected_per_second"], figures["scored_per_second"]) > 0
    assert {"train_seconds", "published_loop_seconds", "device"} <= figures.keys()
