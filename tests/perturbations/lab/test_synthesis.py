"""Faces of nobody: their training resumes exactly and learns, near copies are found, the archive says what is in it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from typer.testing import CliRunner

from perturbations.data import open_faces, utk_label
from perturbations.data.labels import UtkLabel
from perturbations.errors import BadCheckpoint, BadFaces
from perturbations.images import RgbArray, resize
from perturbations.lab.surrogates.classifier import save_classifier
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.resumable import ResumableRun
from perturbations.lab.synthesis.critic import altered
from perturbations.lab.synthesis.decoder import CODE, Decoder, Encoder, ModulatedConv
from perturbations.lab.synthesis.nearness import Nearness, Signature, compare, nearest, signature
from perturbations.lab.synthesis.packing import pack
from perturbations.lab.synthesis.realness import realness, shrunk, train_judge
from perturbations.lab.synthesis.sampling import DrawnFace, choose, is_one_face
from perturbations.lab.synthesis.training import (
    SynthesisTraining,
    small_run,
    trained_small,
    trained_upscaler,
    upscaler_run,
)
from perturbations.lab.synthesis.upscaler import LARGE, Upscaler
from worker.commands.faces import app

CPU = torch.device("cpu")
Begin = Callable[[str, int], ResumableRun[SynthesisTraining, Any]]


@pytest.fixture(scope="session")
def large_faces(folder: Path) -> LabelledFaces:
    return LabelledFaces([folder], size=LARGE)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every tensor and number of a nested state, by its path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in leaves(item, f"{path}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for key, item in enumerate(value) for k, v in leaves(item, f"{path}/{key}").items()}
    return {path: value}


def same_state(one: Any, other: Any) -> bool:
    a, b = leaves(one.state_dict()), leaves(other.state_dict())
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a
    )


def test_the_decoder_resumes_exactly(faces: LabelledFaces, tmp_path: Path) -> None:
    def begin(place: str, steps: int) -> ResumableRun[SynthesisTraining, Any]:
        config = SynthesisTraining(network="small", width=8, steps=steps)
        return small_run(config, tmp_path / place, device=CPU)

    _resumes_exactly(begin, faces)


@pytest.mark.parametrize("drawing", [False, True])
def test_the_upscaler_resumes_exactly(drawing: bool, large_faces: LabelledFaces, tmp_path: Path) -> None:
    torch.manual_seed(5)
    drawer = Decoder(width=8) if drawing else None

    def begin(place: str, steps: int) -> ResumableRun[SynthesisTraining, Any]:
        config = SynthesisTraining(network="upscaler", width=8, steps=steps)
        return upscaler_run(config, tmp_path / place, device=CPU, small=drawer)

    _resumes_exactly(begin, large_faces)


def _resumes_exactly(begin: Begin, faces: LabelledFaces) -> None:
    whole = begin("whole", 4)
    list(whole.train(faces))
    list(begin("halves", 2).train(faces))
    resumed = begin("halves", 4)
    assert resumed.step == 2
    assert not same_state(resumed.recipe, whole.recipe)
    list(resumed.train(faces))
    assert same_state(resumed.recipe, whole.recipe)


def test_the_decoder_learns_to_give_faces_back(faces: LabelledFaces, tmp_path: Path) -> None:
    run = small_run(SynthesisTraining(network="small", width=8, steps=80), tmp_path / "run", device=CPU)
    losses = [progress.losses["g_reconstruction"] for progress in run.train(faces)]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[10:20])


def test_folders_are_told_apart(tmp_path: Path, faces: LabelledFaces) -> None:
    with pytest.raises(BadCheckpoint, match="poise faces train small"):
        trained_small(tmp_path / "none")
    list(small_run(SynthesisTraining(network="small", width=8, steps=1), tmp_path / "s", device=CPU).train(faces))
    assert trained_small(tmp_path / "s").averaged()(torch.zeros(1, CODE)).shape == (1, 3, 32, 32)
    with pytest.raises(BadCheckpoint, match="the training of small"):
        trained_upscaler(tmp_path / "s")


def test_modulation_is_that_of_the_weights() -> None:
    torch.manual_seed(0)
    conv = ModulatedConv(5, 7)
    x, style = torch.randn(3, 5, 6, 6), torch.randn(3, CODE)
    scale = conv.style(style)
    weight = conv.weight[None] * scale[:, None, :, None, None]
    weight = weight / (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    expected = torch.cat([F.conv2d(x[i : i + 1], weight[i], conv.bias, padding=1) for i in range(3)])
    torch.testing.assert_close(conv(x, style), F.leaky_relu(expected, 0.2) * 2**0.5, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_networks_keep_shapes_and_an_untrained_upscaler_enlarges() -> None:
    torch.manual_seed(0)
    mean, log_variance = Encoder(width=8)(torch.rand(2, 3, 32, 32))
    assert mean.shape == log_variance.shape == (2, CODE)
    x = resize(torch.rand(2, 3, 4, 4) * 2 - 1, 32)
    large = Upscaler(width=8)(x)
    assert large.shape == (2, 3, LARGE, LARGE)
    assert float((resize(large, 32) - x).abs().mean()) < 0.5


def test_alterations_are_seeded_differentiable_and_none_at_zero() -> None:
    x = torch.rand(4, 3, 32, 32, requires_grad=True)

    def rng() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    y = altered(x, rng())
    assert y.shape == x.shape
    assert torch.equal(y, altered(x, rng()))
    assert not torch.allclose(y, x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    # moved pictures keep their pixels: with light and contrast left alone every value stems from the picture
    moved = altered(x, rng(), light=0.0, contrast=0.0)
    for before, after in zip(x, moved, strict=True):
        known = before.detach().flatten()
        assert ((after.detach().flatten()[:, None] - known).abs().min(dim=1).values < 1e-5).all()


@pytest.fixture(scope="module")
def judge() -> AttributeClassifier:
    torch.manual_seed(0)
    return AttributeClassifier(width=4).eval().requires_grad_(False)


def test_copies_are_found_mirrored_ones_too(judge: AttributeClassifier, faces: LabelledFaces) -> None:
    pictures = faces.images[:20]
    training = [signature(judge, faces.images, mirrored=mirrored) for mirrored in (False, True)]
    for copy in (pictures, np.ascontiguousarray(pictures[:, :, ::-1])):
        found = nearest(signature(judge, copy), training)
        assert float(found.pixels.max()) < 1e-2
        assert float(found.features.max()) < 1e-3
    others = nearest(signature(judge, pictures), training, skip_same=True)
    assert float(others.pixels.min()) >= 0.03
    report = compare(found, others, training_pictures=len(faces))
    assert report.nearer_pixels == 1.0
    assert compare(others, others, training_pictures=len(faces)).nearer_pixels < 0.1


def test_a_judge_of_realness_prefers_what_looks_like_a_photo(faces: LabelledFaces) -> None:
    rng = np.random.default_rng(0)
    spoilt = faces.images.copy()
    spoilt[:, : spoilt.shape[1] // 2] = rng.integers(0, 256, spoilt[:, : spoilt.shape[1] // 2].shape)
    photos, bad_drawings = shrunk(faces.images), shrunk(spoilt)
    drawings = torch.cat([photos[1::2], bad_drawings[1::2]])
    judge = train_judge(photos, drawings, steps=40, batch_size=32, width=8)
    good, bad = realness(judge, photos[::2]), realness(judge, bad_drawings[::2])
    assert float((good[:, None] > bad).float().mean()) > 0.95


def test_the_best_of_every_group_are_kept_and_no_two_alike() -> None:
    torch.manual_seed(0)
    count = 40
    attributes = torch.tensor([[i % 2 == 0, i // 2 % 2 == 0] for i in range(count)])
    quality = torch.randn(count)
    own = Signature(F.normalize(torch.randn(count, 16)), torch.randn(count, 30))
    allowed = torch.ones(count, dtype=torch.bool)
    first, second = quality.topk(2).indices.tolist()
    allowed[first] = False
    rows = choose(
        attributes, quality, own, allowed=allowed, is_face=lambda row: row != second, limits=(0.0, 0.0), count=8
    )
    assert len(set(rows)) == 8
    assert not {first, second} & set(rows)
    for man in (False, True):
        for old in (False, True):
            group = (attributes == torch.tensor([man, old])).all(dim=1) & allowed
            group[second] = False
            kept = [row for row in rows if group[row]]
            assert sorted(kept) == sorted(quality.masked_fill(~group, -9.0).topk(2).indices.tolist())
    twins = Signature(own.features[:1].expand(count, -1), own.pixels[:1].expand(count, -1))
    with pytest.raises(BadFaces, match="draw more candidates"):
        choose(attributes, quality, twins, allowed=allowed, is_face=lambda _: True, limits=(0.1, 0.1), count=8)


def test_a_face_is_told_from_none(astronaut_png: bytes) -> None:
    with Image.open(io.BytesIO(astronaut_png)) as picture:
        chip = np.asarray(picture.convert("RGB").crop((173, 67, 275, 169)).resize((LARGE, LARGE)))
    assert is_one_face(chip)
    assert not is_one_face(np.random.default_rng(0).integers(0, 256, chip.shape).astype(np.uint8))
    assert not is_one_face(np.full_like(chip, 127))


def drawn(faces: LabelledFaces) -> list[DrawnFace]:
    labels = [UtkLabel(age=age, man=man) for age in (30, 60) for man in (False, True)]
    return [DrawnFace(image, labels[i % 4]) for i, image in enumerate(faces.images[:8])]


def test_the_archive_opens_as_labelled_faces(faces: LabelledFaces, tmp_path: Path) -> None:
    path, again = tmp_path / "faces.zip", tmp_path / "again.zip"
    for place in (path, again):
        pack(drawn(faces), place, about={"seed": 0})
    assert path.read_bytes() == again.read_bytes()
    archive = open_faces([path])
    assert [utk_label(archive.name(i)) for i in range(len(archive))] == sorted(
        (face.label for face in drawn(faces)), key=lambda label: (label.age, not label.man)
    )
    for index in range(len(archive)):
        picture: RgbArray = archive.rgb(index)
        apart = [np.abs(picture.astype(int) - face.image).mean() for face in drawn(faces)]
        assert archive.name(index).endswith(f"synthetic{int(np.argmin(apart)):03d}.webp")
    with zipfile.ZipFile(path) as files:
        assert json.loads(files.read("about.json")) == {"seed": 0}
        assert b"not facts" in files.read("README.txt")


def test_the_commands_train_and_refuse_what_they_cannot_draw(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    made = {}
    for network, more in (("small", []), ("upscaler", ["--small", str(tmp_path / "small")])):
        place = tmp_path / network
        options = ["--out", str(place), "--steps", "2", "--width", "8", "--device", "cpu", "--json", *more]
        result = runner.invoke(app, ["train", network, "--faces", str(folder), *options])
        assert result.exit_code == 0, result.stderr
        made[network] = json.loads(result.stdout)
        assert made[network]["steps"] == 2
        assert (place / "grid.png").is_file()
    torch.manual_seed(0)
    save_classifier(AttributeClassifier().eval(), tmp_path / "judge.safetensors")
    options = ["--classifier", str(tmp_path / "judge.safetensors"), "--faces", str(folder), "--candidates", "64"]
    options += ["--judging-steps", "2"]
    places = ["--small", str(tmp_path / "small"), "--upscaler", str(tmp_path / "upscaler")]
    result = runner.invoke(app, ["sample", *places, *options, "--out", str(tmp_path / "drawn.zip")])
    assert result.exit_code == 2
    assert "train longer" in result.stderr
    assert not (tmp_path / "drawn.zip").exists()


def test_nearness_is_measured_per_face() -> None:
    few = Nearness(torch.tensor([0.1, 0.5]), torch.tensor([0.2, 0.9]))
    many = Nearness(torch.linspace(0.3, 1.0, 100), torch.linspace(0.3, 1.0, 100))
    report = compare(few, many, training_pictures=100)
    assert (report.nearer_features, report.nearer_pixels) == (0.5, 0.5)
    assert report.drawn_features.least == pytest.approx(0.1)
    assert report.people_pixels.median == pytest.approx(0.65)
