"""The training of the face detector."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from perturbations.faces import learned
from perturbations.images import RgbArray
from perturbations.lab.detector import network
from perturbations.lab.detector.mixed import mixed
from perturbations.lab.detector.network import LARGEST, SMALLEST, Detector
from perturbations.lab.detector.onnx import onnx
from perturbations.lab.detector.scenes import BEYOND, SIDE, Composer, Scene, end_across_a_face
from perturbations.lab.detector.sources import Sources, load
from perturbations.lab.detector.targets import loss, target
from perturbations.lab.detector.training import Training


def noise(*shape: int, seed: int = 0) -> RgbArray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def sources() -> Sources:
    photo = [noise(250, 250), noise(125, 125), noise(63, 63)]
    return Sources(chips=[noise(64, 64)], close=[noise(160, 160)], people=[photo], empty=[[noise(90, 140)]])


def test_scenes_depend_on_the_generator_alone_and_know_their_faces(sources: Sources) -> None:
    composer = Composer(sources)
    scenes, again = ([composer.scene(np.random.default_rng(n)) for n in range(40)] for _ in range(2))
    assert all(np.array_equal(a.pixels, b.pixels) and a.faces == b.faces for a, b in zip(scenes, again, strict=True))
    assert {s.pixels.shape for s in scenes} == {(SIDE, SIDE, 3)}
    assert {s.pixels.dtype for s in scenes} == {np.dtype(np.uint8)}
    assert {len(s.faces) for s in scenes} >= {0, 1, 2}


def test_a_scene_may_end_across_a_face() -> None:
    """Its edge is repeated there, and the face stays."""
    cut = set()
    for seed in range(40):
        pixels = noise(SIDE, SIDE)
        before, scene = pixels.copy(), Scene(pixels, [(48.0, 40.0, 40.0)])
        end_across_a_face(scene, np.random.default_rng(seed))
        assert scene.faces == [(48.0, 40.0, 40.0)]
        rows, columns = ((scene.pixels != before).any(axis=(2, axis)) for axis in (1, 0))
        across = columns if rows.all() else rows
        beyond = int(across.sum())
        first, last = int(across.argmax()), SIDE - 1 - int(across[::-1].argmax())
        assert beyond == last - first + 1, "all on one side"
        side = (first == 0, bool(rows.all()))
        cut.add(side)
        edge = {(True, True): 28, (False, True): 96 - 68, (True, False): 20, (False, False): 96 - 60}[side]
        assert BEYOND[0] * 40 - 2 <= beyond - edge <= BEYOND[1] * 40 + 2
    assert len(cut) == 4


def test_the_target_of_a_face_leads_back_to_it() -> None:
    wanted = target([(40.0, 51.0, 26.0)], SIDE)
    cells = wanted.copy()
    cells[0] = np.where(wanted[0] > 0, 5.0, -5.0)
    boxes = learned.read_cells(cells, 0.0)
    assert len(boxes) >= 1
    assert np.allclose(boxes[:, :3], (40.0, 51.0, 26.0), atol=1e-3)


@pytest.mark.parametrize(
    ("face", "answers"),
    [
        ((48.0, 48.0, 30.0), {0.0, 1.0, -1.0}),
        ((48.0, 48.0, LARGEST * 1.2), {0.0, -1.0}),
        ((48.0, 48.0, SMALLEST * 0.5), {0.0}),
        ((48.0, 48.0, LARGEST * 2.0), {0.0}),
        ((2.0, 48.0, 20.0), {0.0, 1.0}),
        ((-3.0, 48.0, 20.0), {0.0, -1.0}),
        ((-9.0, 48.0, 20.0), {0.0}),
    ],
)
def test_what_a_cell_may_answer(face: tuple[float, float, float], answers: set[float]) -> None:
    assert set(np.unique(target([face], SIDE)[0]).tolist()) == answers


def test_the_right_answer_costs_less() -> None:
    wanted = torch.from_numpy(target([(40.0, 51.0, 26.0)], SIDE))[None]
    right, wrong = wanted.clone(), wanted.clone()
    right[:, 0] = torch.where(wanted[:, 0] > 0, 6.0, -6.0)
    wrong[:, 0] = -right[:, 0]
    assert loss(right, wanted)[0] < 0.01
    assert loss(wrong, wanted)[0] > 1.0
    assert loss(wrong, wanted)[1].item() == 6.0


def test_the_file_does_what_the_network_does() -> None:
    torch.manual_seed(0)
    detector = Detector()
    detector(torch.randn(4, 3, 64, 64))  # moves the running statistics away from 0 and 1
    detector.eval()
    session = onnxruntime.InferenceSession(onnx(detector), providers=["CPUExecutionProvider"])
    for height, width in ((64, 64), (40, 96)):
        picture = torch.rand(1, 3, height, width) * 2 - 1
        (cells,) = session.run(None, {"picture": picture.numpy()})
        with torch.inference_mode():
            assert np.allclose(cells, detector(picture).numpy(), atol=1e-5)


def test_the_detector_that_ships_reads_cells_as_they_were_trained() -> None:
    assert (learned.STRIDE, learned.SHIFT_UNIT, learned.SIDE_UNIT) == (
        network.STRIDE,
        network.SHIFT_UNIT,
        network.SIDE_UNIT,
    )


def test_training_goes_on_from_its_checkpoint(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perturbations.lab.detector.training.BATCH", 2)
    monkeypatch.setattr("perturbations.lab.detector.training.SAVED_EVERY", 1)
    whole, first, second = (Training(Composer(sources), steps=2, seed=3) for _ in range(3))
    for training in (whole, first, second):
        training.hard_share = 0.0  # what is hard is not kept
    list(whole.run(tmp_path / "whole.pt"))
    next(first.run(tmp_path / "parts.pt"))
    list(second.run(tmp_path / "parts.pt"))
    assert second.trained.step == 2
    for a, b in zip(whole.trained.average.parameters(), second.trained.average.parameters(), strict=True):
        assert torch.equal(a, b)


def test_sources_are_read_and_balanced(tmp_path: Path) -> None:
    def jpeg(side: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(noise(side, side)).save(out, "JPEG")
        return out.getvalue()

    with zipfile.ZipFile(tmp_path / "chips.zip", "w") as file:
        for number in range(12):
            file.writestr(f"30_0_{number % 3 and 1}_{number}.jpg", jpeg(80))
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as file:
        file.writestr("A_B_0001.jpg", jpeg(250))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.jpg").write_bytes(jpeg(1200))
    sources = load([tmp_path / "chips.zip"], [tmp_path / "people.zip"], [tmp_path / "empty"], most=6, seed=0)
    assert [c.shape for c in sources.chips] == [(64, 64, 3)] * 6
    assert [p.shape[0] for p in sources.people[0]] == [250, 125, 63]
    assert [p.shape[0] for p in sources.empty[0]] == [1000, 500, 250]


def test_a_mixture_lies_between_two_states() -> None:
    torch.manual_seed(0)
    before, after = Detector().eval(), Detector().eval()
    weights = [d.state_dict()["0.weight"] for d in (before, mixed(before, after, 0.3), after)]
    assert torch.allclose(weights[1], 0.7 * weights[0] + 0.3 * weights[2], atol=1e-6)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(mixed(before, after, 0.0)(x), before(x))
