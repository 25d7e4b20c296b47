"""A whole training in a folder: it resumes, it measures, and it refuses to mix with another one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perturbations import artifact
from perturbations.data import open_faces
from perturbations.data.framed import Faces, Framed, FramedFaces
from perturbations.errors import BadInput
from perturbations.targets.stargan import StarGAN
from perturbations.training import TrainingConfig
from perturbations.training.run import Stage, TrainingRun

CONFIG = TrainingConfig(
    weighting="aef_scaled",
    weighting_options=(("floor", 0.3),),
    steps=3,
    images=8,
    batch_size=4,
    step_size=0.01,
)


class Killed(Exception):
    """Stands for a killed process."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FramedFaces:
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for i in range(12):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 64)).save(folder / f"{i}.png")
    return FramedFaces(open_faces([folder]))


@pytest.fixture(scope="module")
def target() -> StarGAN:
    torch.manual_seed(0)
    return StarGAN(edits={"a": (1.0,)}, image_size=16, conv_dim=4, c_dim=1, repeat_num=1)


def run(
    target: StarGAN,
    faces: FramedFaces,
    folder: Path,
    config: TrainingConfig = CONFIG,
    *,
    on_step: Callable[[Stage], None] | None = None,
) -> TrainingRun:
    hashes = {"stargan": "0" * 64}
    return TrainingRun(
        config, targets=[target], twins=[target], faces=faces, folder=folder, hashes=hashes, on_step=on_step
    )


def test_leaves_a_measured_artifact(target: StarGAN, faces: FramedFaces, tmp_path: Path) -> None:
    made = run(target, faces, tmp_path).run()
    found = artifact.load(tmp_path)
    assert found.version == made.version
    assert found.sidecar["targets"] == {"stargan": "0" * 64}
    assert found.sidecar["attainable"]["stargan"] > 0
    row = found.sidecar["effect"]["architectures"]["stargan"]
    assert row["l2_mask"] == row["twin"]["l2_mask"] > 0  # the same network was given as twin
    assert [point["step"] for point in found.sidecar["curve"]] == [1, 2, 3]


def test_goes_on_where_it_was_killed(target: StarGAN, faces: FramedFaces, tmp_path: Path) -> None:
    whole = run(target, faces, tmp_path / "whole").run()

    def kill(stage: Stage) -> None:
        if stage.target is not None and stage.report.step == 1:
            time.sleep(0.5)
        if stage.name == "together" and stage.report.step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(target, faces, tmp_path / "killed", on_step=kill).run()
    seen: list[str] = []
    resumed = run(target, faces, tmp_path / "killed", on_step=lambda stage: seen.append(stage.name)).run()
    assert resumed.version == whole.version
    assert set(seen) == {"together"}  # what was measured before is not trained again
    assert resumed.sidecar["seconds"] >= 0.5  # of both processes


def test_tells_how_many_steps_follow(target: StarGAN, faces: FramedFaces, tmp_path: Path) -> None:
    ahead: dict[str, int] = {}
    run(target, faces, tmp_path, on_step=lambda stage: ahead.update({stage.name: stage.ahead})).run()
    assert ahead.pop("together") == 0
    assert set(ahead.values()) == {CONFIG.steps}


def test_begins_with_a_given_start(target: StarGAN, faces: FramedFaces, tmp_path: Path) -> None:
    config = replace(CONFIG, step_size=1e-9)  # so short that the end still shows where it began
    start = torch.full((1, 3, 256, 256), 0.02)
    made = TrainingRun(
        config, targets=[target], twins=[], faces=faces, folder=tmp_path, hashes={"stargan": "0" * 64}, start=start
    ).run()
    torch.testing.assert_close(made.delta, start, rtol=0, atol=1e-6)


def test_a_folder_belongs_to_one_training(target: StarGAN, faces: FramedFaces, tmp_path: Path) -> None:
    run(target, faces, tmp_path)
    with pytest.raises(BadInput, match="another training"):
        run(target, faces, tmp_path, replace(CONFIG, seed=1))


@pytest.mark.parametrize(("starts", "same"), [(1, True), (4, False)])
def test_goes_on_with_a_run_of_a_version_that_had_more_options(
    starts: int, same: bool, target: StarGAN, faces: FramedFaces, tmp_path: Path
) -> None:
    run(target, faces, tmp_path)
    path = tmp_path / "run.json"
    identity = json.loads(path.read_text())
    path.write_text(json.dumps({**identity, "config": {**identity["config"], "starts": starts, "warm_up": 0.0}}))
    with nullcontext() if same else pytest.raises(BadInput, match="another training"):
        run(target, faces, tmp_path)


def test_reads_no_face_before_it_runs(target: StarGAN, tmp_path: Path) -> None:
    class Unread(Faces):
        """An archive that must not be opened yet."""

        def __len__(self) -> int:
            return 12

        def __getitem__(self, position: int) -> Framed:
            raise AssertionError(position)

    waiting = TrainingRun(
        CONFIG, targets=[target], twins=[], faces=Unread(), folder=tmp_path, hashes={"stargan": "0" * 64}
    )
    with pytest.raises(AssertionError):
        waiting.run()
