"""Drawn faces whose colours carry their labels, and short trainings on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from perturbations.lab.surrogates import networks as discriminators
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.recipes import base
from perturbations.lab.surrogates.stages import Stage
from perturbations.lab.surrogates.training import Run, SurrogateTraining
from perturbations.lab.synthesis.small import SmallFaces
from perturbations.lab.synthesis.upscaler import Upscaling
from perturbations.targets import architecture, names
from perturbations.targets.interface import Target

SIZE = 32
WIDTH = 4
COUNT = 96
FEW = 32
BATCH = 4
DRAWN = 8


@pytest.fixture(autouse=True)
def _only_what_can_be_built(request: pytest.FixtureRequest) -> None:
    """Tests of an architecture (``name``) whose optional library is missing are skipped, and say which."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name in names() and (reason := architecture(name).unavailable()) is not None:
        pytest.skip(f"{name} {reason}")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _small_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures each and narrow discriminators: nothing else that is tested depends on either."""
    if request.path.name != "test_stages.py":
        monkeypatch.setattr(Stage, "batch", property(lambda _: BATCH))
        monkeypatch.setattr(base, "LARGEST_BATCH", BATCH)
        monkeypatch.setattr(discriminators, "channels", lambda size: min(max(128 // size, 8), 32))
        monkeypatch.setattr(SmallFaces, "batch_size", DRAWN)
        monkeypatch.setattr(Upscaling, "batch_size", BATCH)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces, named as UTKFace names its own: men are blue, women red; the old are dark. No two are alike."""
    place = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        man, old = index % 2, index // 2 % 2
        image = Image.new("RGB", (SIZE, SIZE), tuple(rng.integers(0, 256, 3).tolist()))
        left, top = rng.integers(1, 5, 2).tolist()
        light = 110 if old else 240
        skin = (40, 90, light) if man else (light, 90, 40)
        ImageDraw.Draw(image).ellipse([left, top, SIZE - left, SIZE - top], fill=skin)
        image.save(place / f"{60 if old else 30}_{1 - man}_0_{index}.png")
    return place


@pytest.fixture(scope="session")
def few(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many of them as there must be, to measure on."""
    place = tmp_path_factory.mktemp("few")
    for path in folder.iterdir():
        if int(path.stem.rpartition("_")[2]) < FEW:
            shutil.copy(path, place)
    return place


@pytest.fixture(scope="session")
def faces(folder: Path) -> LabelledFaces:
    return LabelledFaces([folder], size=SIZE)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    """A small run on the CPU, in a folder of its own unless one is named."""

    def start_run(
        name: str,
        *,
        steps: int,
        place: str = "run",
        seed: int = 0,
        begin: Target | None = None,
        grown: int | None = None,
    ) -> Run:
        stages = f"{SIZE}:{steps}" + ("" if grown is None else f",{2 * SIZE}:{grown}")
        config = SurrogateTraining(architecture=name, stages=stages, width=WIDTH, seed=seed)
        return Run(config, tmp_path / place, device=torch.device("cpu"), start=begin)

    return start_run
