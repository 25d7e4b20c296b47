"""What ships with Poise must work as it is: weights, perturbation, and the two together on a real photo."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from perturbations.artifact import Perturbation, active
from perturbations.bounds import Linf, rms
from perturbations.checkpoints.known import known_checkpoint
from perturbations.checkpoints.loading import load_checkpoint
from perturbations.checkpoints.shipped import FOLDER, load_surrogates, shipped_names, surrogate_hashes, surrogate_path
from perturbations.data import open_faces, utk_label
from perturbations.data.labels import UtkLabel
from perturbations.data.synthetic import synthetic_faces
from perturbations.effect import SUCCESS_THRESHOLD, l2_mask, manipulation_mask
from perturbations.images import compressed, to_tensor, to_uint8
from perturbations.lab.surrogates.metrics import fragility
from perturbations.lab.surrogates.recipes import RECIPES
from perturbations.lab.synthesis.sampling import is_one_face
from perturbations.protect import protect_photo
from perturbations.score import PhotoScore, score_photo
from perturbations.targets.interface import Target
from perturbations.targets.registry import names

MAX_BYTES = 5_000_000
MAX_BYTES_TOGETHER = 24_000_000


@pytest.fixture(scope="module")
def photo() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "PNG")  # type: ignore[no-untyped-call]
    return buffer.getvalue()


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return load_surrogates()


def scored(photo: bytes, perturbation: Perturbation, targets: list[Target]) -> PhotoScore:
    return score_photo(photo, protect_photo(photo, perturbation).data, targets=targets)


def test_every_surrogate_has_a_twin_of_other_weights(targets: list[Target]) -> None:
    twins = load_surrogates(twins=True)
    assert shipped_names() == tuple(name for name in names() if name in RECIPES)
    assert [t.name for t in twins] == [t.name for t in targets]
    for target, twin in zip(targets, twins, strict=True):
        assert twin.edits == target.edits
        first, second = (next(iter(t.parameters())).flatten()[:50] for t in (target, twin))
        assert not torch.equal(first, second)


def test_weight_files_are_small_and_have_model_cards() -> None:
    for name in shipped_names():
        for twin in (False, True):
            path = surrogate_path(name, twin=twin)
            assert path.stat().st_size <= MAX_BYTES
            assert "UTKFace" in path.with_suffix(".md").read_text()
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) <= MAX_BYTES_TOGETHER


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("twin", [False, True], ids=["surrogate", "twin"])
def test_a_surrogate_edits_faces_plainly_and_harmless_changes_leave_it_alone(name: str, twin: bool) -> None:
    """On the synthetic faces; what the model cards say was measured on hundreds of photos."""
    target = load_checkpoint(surrogate_path(name, twin=twin))
    archive = open_faces([synthetic_faces()])
    images = np.stack([archive.square(index, target.image_size) for index in range(0, len(archive), 32)])
    x = to_tensor(images)
    signs = Linf(0.05).signs(tuple(x.shape), torch.Generator().manual_seed(0))
    noisy = to_tensor(to_uint8((x + signs).clamp(-1.0, 1.0)))
    after_jpeg = to_tensor(np.stack([compressed(image, "JPEG", 75) for image in images]))
    harm: dict[str, list[torch.Tensor]] = {"signs": [], "jpeg": []}
    with torch.inference_mode():
        for edit in target.edits:
            reference, clean = target.mask_reference(x, edit), target(x, edit)
            assert float(manipulation_mask(reference, clean).float().mean()) >= 0.05, edit
            harm["signs"].append(l2_mask(reference, clean, target(noisy, edit)))
            harm["jpeg"].append(l2_mask(reference, clean, target(after_jpeg, edit)))
    for effects in harm.values():
        seen = fragility(torch.cat(effects))
        assert seen.l2_mask <= (0.015 if (name, twin) == ("stargan", False) else 0.01)  # as its card says
        assert seen.success_rate <= 0.01


@pytest.mark.parametrize("name", RECIPES)
def test_a_surrogate_answers_at_once(name: str) -> None:
    target = load_checkpoint(surrogate_path(name))
    x = torch.zeros(1, 3, target.image_size, target.image_size)
    seconds = []
    with torch.inference_mode():
        for _ in range(7):
            start = time.perf_counter()
            target(x, target.edits[0])
            seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.15


def test_synthetic_faces_are_located_and_as_many_of_every_group() -> None:
    archive = open_faces([synthetic_faces()])
    assert len(archive) == 256
    labels = Counter(utk_label(archive.name(index)) for index in range(len(archive)))
    assert labels == {UtkLabel(age=age, man=man): 64 for age in (30, 60) for man in (False, True)}
    for index in range(0, len(archive), 16):
        picture = archive.rgb(index)
        assert picture.shape == (128, 128, 3)
        assert is_one_face(picture)


def test_no_synthetic_face_is_nearer_to_a_photo_than_people_are_to_each_other() -> None:
    """As measured when they were made."""
    with zipfile.ZipFile(synthetic_faces()) as files:
        nearness = json.loads(files.read("about.json"))["nearness"]
    assert nearness["nearer_features"] == nearness["nearer_pixels"] == 0
    assert nearness["drawn_pixels"]["least"] >= nearness["people_pixels"]["percent_1"]
    assert nearness["training_pictures"] > 19_000
    card = synthetic_faces().with_suffix(".md").read_text()
    for kind in ("drawn_features", "people_features"):
        assert f"{nearness[kind]['median']:.4f}"[1:] in card


def test_the_perturbation_was_trained_on_these_surrogates_and_on_known_checkpoints() -> None:
    trained_on = dict(active().sidecar["targets"])
    assert {name: trained_on.pop(name, None) for name in surrogate_hashes()} == surrogate_hashes()
    for name, digest in trained_on.items():
        assert digest is not None
        assert digest in {file.member_sha256 or file.sha256 for file in known_checkpoint(name).files}


def test_the_perturbation_uses_what_it_may() -> None:
    perturbation = active()
    assert float(perturbation.delta.abs().max()) <= perturbation.epsilon + 1e-8
    most = perturbation.sidecar["config"]["rms"] * perturbation.epsilon
    assert 0.95 * most < float(rms(perturbation.delta)) < 1.001 * most


def test_protects_the_astronaut_and_noise_of_the_same_size_does_not(photo: bytes, targets: list[Target]) -> None:
    perturbation = active()
    movable = [name for name in surrogate_hashes() if perturbation.sidecar["attainable"][name] >= 0.10]
    assert movable
    protected = {s.architecture: s for s in scored(photo, perturbation, targets).scores}
    generator = torch.Generator().manual_seed(0)
    signs = Linf(perturbation.epsilon).signs(tuple(perturbation.delta.shape), generator)
    noise = {s.architecture: s for s in scored(photo, replace(perturbation, delta=signs), targets).scores}
    for name in movable:
        assert protected[name].interrupted is True
        effect, of_noise = protected[name].l2_mask, noise[name].l2_mask
        assert effect is not None
        assert of_noise is not None
        assert effect > SUCCESS_THRESHOLD > 2 * of_noise
        assert effect > 5 * of_noise
    for row in noise.values():
        assert row.interrupted is not True


def test_surrogates_manipulate_the_astronaut_visibly(photo: bytes, targets: list[Target]) -> None:
    for row in score_photo(photo, photo, targets=targets).scores:
        assert row.l2_mask == pytest.approx(0.0, abs=1e-9)  # None would mean that nothing is manipulated
        assert all(edit.l2_mask is not None for edit in row.edits)


def test_a_protected_copy_looks_the_same(photo: bytes) -> None:
    done = protect_photo(photo, active())
    assert done.quality.max_abs_diff <= 6
    assert done.quality.ssim >= 0.94
    assert np.asarray(Image.open(io.BytesIO(done.data))).shape == (512, 512, 3)
