"""Evaluation and artifacts: figures that add up, and files that cannot be taken for what they are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from perturbations import artifact
from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.errors import BadArtifact, BadInput
from perturbations.evaluation import delivery, evaluate
from perturbations.evaluation.transforms import Subject, recropped
from perturbations.faces import Region, frame
from perturbations.targets.stargan import StarGAN


@pytest.fixture(scope="module")
def target() -> StarGAN:
    torch.manual_seed(0)
    return StarGAN(edits={"a": (0.0, 1.0), "b": (1.0, 0.0)}, image_size=32, conv_dim=4, c_dim=2, repeat_num=1)


@pytest.fixture(scope="module")
def faces() -> list[Framed]:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 48, 3), dtype=np.uint8) for _ in range(3)]
    return [Framed(pictures[0], frame(48, 40)), *(Framed(p, Region(4, 4, 32, 32)) for p in pictures[1:])]


def make(delta: torch.Tensor, epsilon: float = 0.05, **sidecar: object) -> Perturbation:
    return Perturbation("test", delta, epsilon, sidecar)


def full(value: float) -> torch.Tensor:
    return torch.full((1, 3, 256, 256), value)


def random_signs(seed: int = 0) -> torch.Tensor:
    return (torch.randint(0, 2, (1, 3, 256, 256), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0) * 0.05


def test_nothing_added_has_no_effect_and_perfect_quality(target: StarGAN, faces: list[Framed]) -> None:
    result = evaluate(faces, make(full(0.0)), [target])
    effect = result.transforms["none"]["stargan"].effect
    assert effect.l2_mask == 0.0
    assert effect.success_rate == 0.0
    assert result.ssim == pytest.approx(1.0)
    assert result.max_abs_diff == 0


def test_a_larger_perturbation_has_more_effect_and_less_quality(target: StarGAN, faces: list[Framed]) -> None:
    small = evaluate(faces, make(random_signs() / 5, 0.01), [target])
    large = evaluate(faces, make(random_signs() * 4, 0.2), [target])
    assert large.transforms["none"]["stargan"].effect.l2_mask > small.transforms["none"]["stargan"].effect.l2_mask
    assert large.ssim < small.ssim
    assert large.psnr < small.psnr


def test_document_adds_up(target: StarGAN, faces: list[Framed]) -> None:
    perturbation = make(random_signs(), attainable={"stargan": 0.3})
    document = evaluate(faces, perturbation, [target], twins=[target], transforms=("none", "jpeg75")).document()
    assert document["images"] == 3
    assert set(document["transforms"]) == {"none", "jpeg75"}
    for rows in document["transforms"].values():
        row = rows["architectures"]["stargan"]
        assert row["attainable"] == 0.3
        assert row["evaluated"] == 3 * 2
        assert row["manipulated"] <= row["evaluated"]
        assert row["twin"]["l2_mask"] == row["l2_mask"]  # the same network was given as twin
        assert rows["worst"]["architecture"] == "stargan"
        assert rows["balance"] == pytest.approx(1.0)
    json.dumps(document, allow_nan=False)


def test_generator_that_manipulates_nothing_is_left_out(faces: list[Framed]) -> None:
    class Copy(StarGAN):
        def manipulate(self, x: torch.Tensor, edit: str) -> object:  # type: ignore[override]
            return super().manipulate(x, edit)._replace(output=x)

    copy = Copy(edits={"a": (0.0,)}, image_size=32, conv_dim=4, c_dim=1, repeat_num=1)
    effect = evaluate(faces, make(random_signs()), [copy]).transforms["none"]["stargan"].effect
    assert (effect.manipulated, effect.evaluated, effect.l2_mask) == (0, 3, 0.0)


def subject(value: float, *, side: int = 40) -> Subject:
    """A textured photo whose crop of ``side`` pixels is raised by ``value`` everywhere."""
    ramp = np.linspace(40, 200, 3 * side).round().astype(np.uint8)
    photo = np.stack([np.broadcast_to(ramp, (2 * side, 3 * side))] * 3, axis=2)
    return Subject(Framed(np.ascontiguousarray(photo), Region(side, side // 2, side, side)), make(full(value)))


@pytest.mark.parametrize(
    "name", ["none", "jpeg75", "webp80", "resize50", "blur1", "paper", "face64", "platform", "recrop12"]
)
@pytest.mark.parametrize("size", [32, 256])
def test_every_delivery_gives_both_crops_at_any_size(name: str, size: int) -> None:
    attacked = delivery(name).attack(subject(0.05))
    original, protected = attacked.original(size), attacked.protected(size)
    assert original.shape == protected.shape == (1, 3, size, size)
    assert 0.5 * 0.05 < float((protected - original).mean()) < 1.5 * 0.05


def test_what_leaves_the_crop_alone_is_compared_with_the_same_original() -> None:
    plain = delivery("none").attack(subject(0.05)).original(64)
    for name in ("jpeg75", "webp80", "resize50", "blur1", "jpeg90+blur1"):
        assert not delivery(name).own_original
        assert torch.equal(delivery(name).attack(subject(0.05)).original(64), plain)


def test_papers_add_the_perturbation_whole_and_files_hold_whole_steps() -> None:
    value = 3.6 / 127.5
    gain = {
        # without the soft border
        name: float((attacked.protected(256) - attacked.original(256))[..., 32:-32, 32:-32].mean()) * 127.5
        for name in ("paper", "face256")
        for attacked in [delivery(name).attack(subject(value))]
    }
    assert gain["paper"] == pytest.approx(3.6, abs=1e-3)
    assert gain["face256"] == pytest.approx(4.0, abs=0.1)


def test_a_face_is_brought_to_the_side_asked_for() -> None:
    small, large = (delivery(f"face{side}").attack(subject(0.05, side=40)).original(256) for side in (20, 160))
    # what twenty pixels hold is a blur of what forty hold
    assert float(small.diff(dim=3).abs().std()) != pytest.approx(float(large.diff(dim=3).abs().std()), rel=0.01)


def test_platforms_scale_compress_and_crop_otherwise() -> None:
    attacked = delivery("platform").attack(subject(0.0, side=800))  # 2400 pixels wide
    plain = delivery("none").attack(subject(0.0, side=800)).original(64)
    assert delivery("platform").own_original
    assert not torch.equal(attacked.original(64), plain)
    assert not torch.equal(attacked.original(64), attacked.protected(64))  # the JPEG alone


def test_another_detector_cuts_out_another_square() -> None:
    region = Region(-10, 20, 200, 200)
    cut = [recropped(region, 0.12, seed=seed) for seed in range(200)]
    assert all(one.width == one.height for one in cut)
    assert np.std([np.log(one.width / 200) for one in cut]) == pytest.approx(0.12, abs=0.02)
    for found, true in ((("x", "width"), 90), (("y", "height"), 120)):
        middles = [(getattr(one, found[0]) + getattr(one, found[1]) / 2 - true) / 200 for one in cut]
        assert np.mean(middles) == pytest.approx(0.0, abs=0.01)
        assert np.std(middles) == pytest.approx(0.04, abs=0.01)
    assert recropped(region, 0.12, seed=3) == cut[3]
    assert delivery("recrop12").own_original


def test_parts_are_joined() -> None:
    once, twice = (delivery(name).attack(subject(0.05)).protected(64) for name in ("face96", "face96+jpeg30"))
    assert not torch.equal(once, twice)


@pytest.mark.parametrize(
    "name",
    [
        "jpeg",
        "jpeg0",
        "jpeg101",
        "gif50",
        "",
        "jpeg75+face64",
        "platform+jpeg75",
        "paper+jpeg75",
        "none+blur1",
        "recrop12+jpeg75",
    ],
)
def test_unknown_delivery_says_what_exists(name: str) -> None:
    with pytest.raises(BadInput, match="known: none, paper"):
        delivery(name)


@pytest.mark.parametrize("name", ["face10", "face9999"])
def test_faces_have_a_sensible_size(name: str) -> None:
    with pytest.raises(BadInput, match="between 16 and"):
        delivery(name)


def test_each_delivery_is_compared_with_its_own_original(target: StarGAN, faces: list[Framed]) -> None:
    names = ("none", "paper", "face48", "platform")
    result = evaluate(faces, make(full(0.0)), [target], transforms=names)
    effects = {name: result.transforms[name]["stargan"].effect for name in names}
    assert [effects[name].l2_mask for name in ("none", "paper", "face48")] == [0.0, 0.0, 0.0]
    assert effects["platform"].l2_mask > 0.0  # noise of these pictures does not survive a JPEG


class TestArtifact:
    def test_round_trip(self, tmp_path: Path) -> None:
        saved = artifact.save(tmp_path, random_signs(), epsilon=0.05, weighting="aef", sidecar={"attainable": {}})
        loaded = artifact.load(tmp_path)
        assert loaded.version == saved.version
        assert loaded.version.startswith("aef-")
        torch.testing.assert_close(loaded.delta, random_signs(), rtol=0, atol=0)

    def test_noise_in_its_place_is_noticed(self, tmp_path: Path) -> None:
        artifact.save(tmp_path, random_signs(0), epsilon=0.05, weighting="aef", sidecar={})
        save_file({"delta": random_signs(1)}, tmp_path / artifact.TENSORS)
        with pytest.raises(BadArtifact, match="does not match its sidecar"):
            artifact.load(tmp_path)

    def test_delta_beyond_its_bound_is_refused(self, tmp_path: Path) -> None:
        artifact.save(tmp_path, random_signs() * 2, epsilon=0.05, weighting="aef", sidecar={})
        with pytest.raises(BadArtifact, match="exceeds its bound"):
            artifact.load(tmp_path)

    def test_missing_and_damaged_files_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(BadArtifact, match="has no"):
            artifact.load(tmp_path)
        artifact.save(tmp_path, random_signs(), epsilon=0.05, weighting="aef", sidecar={})
        (tmp_path / artifact.TENSORS).write_bytes(b"\0" * 100)
        with pytest.raises(BadArtifact, match="damaged"):
            artifact.load(tmp_path)
