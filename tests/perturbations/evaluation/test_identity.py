"""Identity similarity of stolen identities, judged by the twin's encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.evaluation import evaluate
from perturbations.evaluation.identity import identity_similarity
from perturbations.faces import frame
from perturbations.targets.faceswap import FaceSwap
from perturbations.targets.stargan import StarGAN


def _swap(seed: int) -> FaceSwap:
    """A small swap whose encoder sees differences: centred on noise, as a trained one is on faces."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target = FaceSwap.from_config(FaceSwap.small)
        assert target.identity is not None
        for module in target.identity.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # statistics of what is seen, instead of a running mean
            if isinstance(module, nn.Linear):
                module.bias.zero_()
        target.identity.train()(torch.rand(32, 3, 64, 64) * 2 - 1)
    target.freeze()
    return target


@pytest.fixture(scope="module")
def target() -> FaceSwap:
    return _swap(0)


@pytest.fixture(scope="module")
def twin() -> FaceSwap:
    return _swap(1)


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_an_untouched_photo_changes_nothing(target: FaceSwap, twin: FaceSwap, photos: Tensor) -> None:
    found = identity_similarity(target, twin, photos, [photos[:7], photos[7:]])
    assert list(found) == ["source"]
    assert found["source"].before == found["source"].after


def test_it_is_the_mean_cosine_with_the_untouched_photo(target: FaceSwap, twin: FaceSwap, photos: Tensor) -> None:
    assert twin.identity is not None
    found = identity_similarity(target, twin, photos, [-photos])["source"]
    real = twin.identity(photos)
    for figure, given in ((found.before, photos), (found.after, -photos)):
        cosine = torch.cosine_similarity(twin.identity(target(given, "source")), real).mean()
        assert figure == pytest.approx(float(cosine), abs=1e-5)
    assert found.before != found.after


def test_it_takes_a_twin_with_an_encoder_and_an_edit_that_steals(
    target: FaceSwap, twin: FaceSwap, photos: Tensor
) -> None:
    other = StarGAN.from_config(StarGAN.small)
    assert identity_similarity(target, None, photos, [photos]) == {}
    assert identity_similarity(target, other, photos, [photos]) == {}
    assert identity_similarity(other, twin, photos, [photos]) == {}


def test_an_evaluation_reports_it_for_face_swaps_alone(target: FaceSwap, twin: FaceSwap) -> None:
    rng = np.random.default_rng(0)
    faces = [Framed(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), frame(40, 40)) for _ in range(2)]
    noise = torch.randint(0, 2, (1, 3, 256, 256), generator=torch.Generator().manual_seed(0)) * 0.1 - 0.05
    other = StarGAN.from_config(StarGAN.small)
    result = evaluate(faces, Perturbation("test", noise, 0.05, {}), [other, target], twins=[other, twin])
    rows = result.document()["transforms"]["none"]["architectures"]
    assert set(rows["faceswap"]["identity_similarity"]["source"]) == {"before", "after"}
    assert "identity_similarity" not in rows["stargan"]
