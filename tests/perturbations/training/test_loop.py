"""The training loop: its bound, its determinism, its resumption, its learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from perturbations.bounds import Linf, rms
from perturbations.errors import BadFaces, UnknownName
from perturbations.images import RgbArray, resize, to_tensor
from perturbations.targets.interface import Manipulation
from perturbations.targets.stargan import StarGAN
from perturbations.training import Training, TrainingConfig, preset
from perturbations.training.clean import CleanOutputs
from perturbations.training.opponent import saturating
from perturbations.training.transforms import TRANSFORMS, Transform, transform
from perturbations.weighting import names
from perturbations.weighting.uniform import Uniform

SMALL = TrainingConfig(
    steps=4,
    images=8,
    batch_size=4,
    step_size=0.01,
    final_step=0.1,
    saturation=0.02,
    edit_temperature=0.15,
    transforms=("none", "jpeg", "shift"),
    draws=2,
)


def make_target(seed: int) -> StarGAN:
    torch.manual_seed(seed)
    target = StarGAN(edits={"a": (0.0, 1.0), "b": (1.0, 0.0)}, image_size=32, conv_dim=4, c_dim=2, repeat_num=1)
    target.__class__ = type(f"StarGAN{seed}", (StarGAN,), {"architecture": f"stargan{seed}"})
    return target


@pytest.fixture(scope="module")
def faces() -> RgbArray:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.fixture(scope="module")
def targets() -> list[StarGAN]:
    return [make_target(0), make_target(1)]


@pytest.mark.parametrize("name", names())
def test_every_weighting_trains_within_the_bound(name: str, targets: list[StarGAN], faces: RgbArray) -> None:
    training = Training(targets, faces, replace(SMALL, weighting=name))
    start = training.delta
    for report in training:
        assert float(training.delta.abs().max()) <= SMALL.epsilon + 1e-8  # 0.05 in single precision lies above
        assert set(report.weights) == {"stargan0", "stargan1"}
    assert training.step == SMALL.steps
    assert not torch.equal(training.delta, start)


def test_a_seed_fixes_everything(targets: list[StarGAN], faces: RgbArray) -> None:
    def delta(seed: int) -> torch.Tensor:
        training = Training(targets, faces, replace(SMALL, seed=seed))
        list(training)
        return training.delta

    torch.testing.assert_close(delta(3), delta(3), rtol=0, atol=0)
    assert not torch.equal(delta(3), delta(4))


class HalfEdited(StarGAN):
    """Edits the right half of a picture and leaves the left one as it is."""

    def manipulate(self, x: torch.Tensor, edit: str) -> Manipulation:
        made = super().manipulate(x, edit)
        half = x.shape[-1] // 2
        return Manipulation(torch.cat([x[..., :half], made.output[..., half:]], dim=-1), made.tap)


def test_the_objective_of_the_mask_is_the_effect_and_that_of_the_frame_is_not(faces: RgbArray) -> None:
    target = make_target(0)
    target.__class__ = HalfEdited
    plain = replace(SMALL, saturation=None, tap_weight=0.0, transforms=("none",))

    def pairs(objective: str) -> list[tuple[float, float]]:
        reports = Training([target], faces, replace(plain, objective=objective))
        return [(-report.losses["stargan"], report.effect["stargan"] or 0.0) for report in reports]

    assert all(loss == pytest.approx(effect, rel=1e-5) for loss, effect in pairs("mask"))
    assert all(loss != pytest.approx(effect, rel=1e-2) for loss, effect in pairs("frame"))


def test_refuses_an_unknown_objective() -> None:
    with pytest.raises(UnknownName, match="objective"):
        TrainingConfig(objective="face")


@pytest.mark.parametrize(
    "config",
    [
        *(replace(SMALL, weighting=name) for name in names()),
        replace(SMALL, weighting="aef_scaled", rms=0.4, transform_temperature=0.1),
    ],
)
def test_resumes_exactly(config: TrainingConfig, targets: list[StarGAN], faces: RgbArray) -> None:
    whole = Training(targets, faces, config)
    list(whole)
    first = Training(targets, faces, config)
    first.advance()
    first.advance()
    second = Training(targets, faces, config)
    second.load_state_dict(first.state_dict())
    list(second)
    torch.testing.assert_close(second.delta, whole.delta, rtol=0, atol=0)


@pytest.mark.parametrize(("draws", "parts"), [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1])])
def test_the_parts_of_a_batch_take_the_edits_in_turn(draws: int, parts: list[int], faces: RgbArray) -> None:
    asked: list[tuple[str, int]] = []

    class Watched(StarGAN):
        def manipulate(self, x: torch.Tensor, edit: str) -> Manipulation:
            if torch.is_grad_enabled():
                asked.append((edit, len(x)))
            return super().manipulate(x, edit)

    target = make_target(0)
    target.__class__ = Watched
    for _ in Training([target], faces, replace(SMALL, draws=draws)):
        assert [size for _, size in asked] == parts
        often = [sum(edit == name for edit, _ in asked) for name in target.edits]
        assert max(often) - min(often) <= 1
        asked.clear()


def test_the_effect_is_that_of_parts_that_keep_all_detail(monkeypatch: pytest.MonkeyPatch, faces: RgbArray) -> None:
    monkeypatch.setitem(TRANSFORMS, "black", Transform("black", False, False, lambda x, _: 0.0 * x - 1.0))

    def effect(*transforms: str) -> float | None:
        training = Training([make_target(0)], faces, replace(SMALL, transforms=transforms))
        training.delta = torch.zeros_like(training.delta)
        return training.advance().effect["stargan0"]

    assert effect("none", "black") == pytest.approx(0.0, abs=1e-5)
    assert (effect("black") or 0.0) > 1e-3


def test_gradients_are_brought_to_length_one_where_the_weighting_asks_for_it(
    targets: list[StarGAN], faces: RgbArray
) -> None:
    class Lengths(Uniform):
        unit_gradients = True

    seen: list[torch.Tensor] = []
    training = Training(targets[:1], faces, SMALL)
    training.weighting = Lengths(1)
    training._descend = seen.append  # type: ignore[method-assign, assignment]
    training.advance()
    assert float(seen[0].norm()) == pytest.approx(1.0, rel=1e-5)


def test_members_of_a_target_are_met_in_turn_and_count_as_one(faces: RgbArray) -> None:
    met: list[int] = []

    def watched(seed: int) -> StarGAN:
        class Watched(StarGAN):
            def manipulate(self, x: torch.Tensor, edit: str) -> Manipulation:
                if torch.is_grad_enabled():
                    met.append(seed)
                return super().manipulate(x, edit)

        target = make_target(seed)
        target.__class__ = Watched
        return target

    first, others = watched(0), [watched(1), watched(2)]
    config = replace(SMALL, steps=24, draws=1)
    training = Training([first], faces, config, members={"stargan": others})
    reports = list(training)
    assert set(reports[0].weights) == {"stargan"}
    assert len(met) == 24
    assert min(met.count(seed) for seed in (0, 1, 2)) >= 3


def test_delta_starts_as_small_and_as_smooth_as_asked(targets: list[StarGAN], faces: RgbArray) -> None:
    def roughness(delta: torch.Tensor) -> float:
        return float(delta.diff(dim=3).abs().mean() / delta.abs().mean())

    small = Training(targets, faces, replace(SMALL, start_size=0.25, start_cycles=12.0)).delta
    white = Training(targets, faces, SMALL).delta
    assert float(small.abs().max()) == pytest.approx(0.25 * SMALL.epsilon)
    assert float(white.abs().max()) > 0.99 * SMALL.epsilon
    assert roughness(small) < 0.3 * roughness(white)


def test_delta_keeps_to_its_band(targets: list[StarGAN], faces: RgbArray) -> None:
    radius = ((torch.fft.fftfreq(256) * 256)[:, None].square() + (torch.fft.rfftfreq(256) * 256).square()).sqrt()
    outside = (radius < 6.0) | (radius > 46.0)

    def share_outside(config: TrainingConfig) -> float:
        training = Training(targets, faces, config)
        list(training)
        assert float(training.delta.abs().max()) <= SMALL.epsilon + 1e-8
        luma = torch.einsum("c,bchw->bhw", torch.tensor([0.299, 0.587, 0.114]), training.delta)
        power = torch.fft.rfft2(luma).abs().square()[0]
        return float(power[outside].sum() / power.sum())

    assert share_outside(SMALL) > 0.5
    # the bound comes last and puts a little there
    assert share_outside(replace(SMALL, band=(8.0, 40.0), chroma_cycles=20.0)) < 0.1


def test_delta_keeps_its_root_mean_square_and_spends_it_where_it_helps(targets: list[StarGAN], faces: RgbArray) -> None:
    config = replace(SMALL, steps=12, rms=0.4)
    most = 0.4 * config.epsilon
    training = Training(targets, faces, config)
    assert rms(training.delta) <= most + 1e-8
    for _ in training:
        assert rms(training.delta) <= most + 1e-8
        assert float(training.delta.abs().max()) <= config.epsilon + 1e-8
    assert rms(training.delta) > 0.98 * most
    everywhere = Training(targets, faces, replace(config, rms=None))
    list(everywhere)
    scaled = everywhere.delta * (most / rms(everywhere.delta))
    x = to_tensor(faces)
    for target in targets:
        edit = next(iter(target.edits))
        clean = target(resize(x, 32), edit)
        here, there = (
            float(F.mse_loss(target(resize(x + delta, 32), edit), clean)) for delta in (training.delta, scaled)
        )
        assert here > 1.2 * there


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.0, float("nan")])
def test_refuses_a_root_mean_square_that_limits_nothing(limit: float) -> None:
    with pytest.raises(ValueError, match="rms"):
        replace(SMALL, rms=limit)


def test_transforms_that_protect_least_are_drawn_most(faces: RgbArray) -> None:
    config = replace(SMALL, transforms=("none", "noise"), transform_temperature=0.1, draws=1)
    opponent = Training([make_target(0)], faces, config).opponents[0]
    for name, effect in (("none", 1.0), ("noise", 0.0)):
        opponent.transforms.observe(name, torch.tensor([effect]))
    drawn = [opponent._drawn_transforms(np.random.default_rng(i), 1)[0] for i in range(50)]
    assert drawn.count("noise") >= 48
    plain = Training([make_target(0)], faces, replace(config, transform_temperature=None)).opponents[0]
    drawn = plain._drawn_transforms(np.random.default_rng(0), 50)
    assert drawn.count("noise") == 25


def test_training_raises_the_effect_far_above_noise(faces: RgbArray) -> None:
    config = replace(SMALL, steps=40, transforms=("none",), weighting="uniform")
    reports = list(Training([make_target(0)], faces, config))
    first, last = (np.mean([-r.losses["stargan0"] for r in part]) for part in (reports[:4], reports[-4:]))
    assert last > 3 * first


def test_loss_is_zero_without_a_difference(faces: RgbArray) -> None:
    training = Training([make_target(0)], faces, replace(SMALL, transforms=("none",)))
    training.delta = torch.zeros_like(training.delta)
    report = training.advance()
    assert report.losses["stargan0"] == pytest.approx(0.0, abs=1e-5)  # clean outputs are kept in half precision


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_give_squares_in_range_and_a_gradient(name: str) -> None:
    x = (torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1).requires_grad_(True)
    y = TRANSFORMS[name].apply(x, torch.Generator().manual_seed(1))
    assert y.shape[:2] == x.shape[:2]
    assert y.shape[2] == y.shape[3]
    assert float(y.detach().abs().max()) <= 1.0 + 1e-5
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert float(gradient.abs().sum()) > 0


def test_transforms_are_chained_in_order() -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    rng = torch.Generator().manual_seed(4)
    expected = TRANSFORMS["jpeg"].apply(TRANSFORMS["crop"].apply(x, rng), rng)
    chain = transform("crop+jpeg")
    assert torch.equal(chain.apply(x, torch.Generator().manual_seed(4)), expected)
    assert (chain.geometric, chain.whole) == (True, False)
    with pytest.raises(UnknownName, match="jpg"):
        transform("crop+jpg")


def test_crops_differ_as_those_of_detectors_do() -> None:
    """A ramp tells where a crop begins and ends."""
    side = 256
    ramp = torch.linspace(-0.5, 0.5, side).expand(1, 3, side, side).contiguous()
    rows = [TRANSFORMS["crop"].apply(ramp, torch.Generator().manual_seed(i))[0, 0, 0] for i in range(200)]
    slopes = [float(row[150] - row[106]) / float(ramp[0, 0, 0, 150] - ramp[0, 0, 0, 106]) for row in rows]
    middles = [float(row[127] + row[128]) / 2 for row in rows]
    assert np.std(np.log(slopes)) == pytest.approx(0.08, abs=0.015)
    assert np.std(middles) == pytest.approx(0.025, abs=0.005)


def test_same_generator_state_gives_the_same_transform() -> None:
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    for drawn in TRANSFORMS.values():
        a, b = (drawn.apply(x, torch.Generator().manual_seed(5)) for _ in range(2))
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_step_size_falls_towards_its_last_part() -> None:
    config = TrainingConfig(steps=10, step_size=0.01, final_step=0.1)
    sizes = [config.step_size_at(step) for step in range(11)]
    assert sizes[0] == 0.01
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == pytest.approx(0.001)
    assert TrainingConfig(steps=10, step_size=0.01).step_size_at(9) == 0.01


def test_saturation_turns_the_step_to_the_faces_that_resist() -> None:
    def slopes(saturation: float | None) -> torch.Tensor:
        errors = torch.tensor([1e-5, 0.02, 2.0], requires_grad=True)
        (slope,) = torch.autograd.grad(saturating(errors, saturation), errors)
        return slope * len(errors)

    torch.testing.assert_close(slopes(None), torch.ones(3))
    resisting, middle, broken = slopes(0.02).tolist()
    assert resisting == pytest.approx(1.0, rel=1e-3)
    assert middle == pytest.approx(0.5)
    assert broken < 0.01


def test_an_edit_that_is_interrupted_gets_less_of_the_step(targets: list[StarGAN], faces: RgbArray) -> None:
    config = replace(SMALL, transforms=("none",), draws=1)
    plain, balanced = (Training(targets[:1], faces, config) for _ in range(2))
    for edit in targets[0].edits:
        balanced.opponents[0].edits.observe(edit, torch.tensor([1.0 if edit == "a" else 0.0]))
    weights = balanced.opponents[0].edits.weights()
    assert weights["b"] > 1.9
    assert weights["a"] < 0.1
    ratio = balanced.advance().losses["stargan0"] / plain.advance().losses["stargan0"]
    assert min(abs(ratio - weight) for weight in weights.values()) < 1e-4


@pytest.mark.parametrize("name", ["edit_temperature", "transform_temperature", "start_cycles"])
def test_refuses_what_is_not_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        replace(SMALL, **{name: 0.0})  # type: ignore[arg-type]


@pytest.mark.parametrize(("final_step", "saturation"), [(0.0, None), (1.5, None), (1.0, 0.0)])
def test_refuses_impossible_steps(final_step: float, saturation: float | None) -> None:
    with pytest.raises(ValueError, match="final_step"):
        replace(SMALL, final_step=final_step, saturation=saturation)


@pytest.mark.parametrize("draws", [0, 5])
def test_refuses_impossible_parts(draws: int) -> None:
    with pytest.raises(ValueError, match="draws"):
        replace(SMALL, draws=draws)


def test_refuses_too_few_faces(targets: list[StarGAN], faces: RgbArray) -> None:
    with pytest.raises(BadFaces, match="fewer than one batch"):
        Training(targets, faces[:2], SMALL)


def test_presets_and_their_limits() -> None:
    assert preset("paper", weighting="aef", epsilon=0.05, seed=0) == TrainingConfig()
    assert preset("paper", weighting="aef", epsilon=0.05, seed=0, steps=7) == TrainingConfig(steps=7)
    with pytest.raises(UnknownName, match="quick"):
        preset("slow", weighting="aef", epsilon=0.05, seed=0)
    with pytest.raises(ValueError, match="epsilon"):
        preset("quick", weighting="aef", epsilon=0.0, seed=0)


def test_bound_counts_whole_steps_of_255() -> None:
    assert Linf(0.05).steps == 6
    assert Linf(1 / 127.5).steps == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_trains_on_cuda(faces: RgbArray) -> None:
    device = torch.device("cuda")
    training = Training([make_target(0).to(device)], faces, SMALL, device=device)
    list(training)
    assert training.delta.is_cuda
    assert float(training.delta.abs().max()) <= SMALL.epsilon + 1e-8  # 0.05 in single precision lies above


def test_what_is_kept_of_untouched_faces_has_a_limit_and_does_not_change_what_comes_out(
    targets: list[StarGAN], faces: RgbArray
) -> None:
    x = resize(to_tensor(faces), 32)
    everything, little, nothing = (CleanOutputs(targets[0], max_bytes=limit) for limit in (10**9, 30_000, 0))
    for _ in range(2):
        for indices in ([0, 1, 2], [2, 3], [1]):
            results = [kept.get(x[indices], indices, "a") for kept in (everything, little, nothing)]
            for result in results[1:]:
                torch.testing.assert_close(tuple(result), tuple(results[0]), rtol=0.01, atol=0.01)
    assert everything.bytes > little.max_bytes >= little.bytes > nothing.bytes == 0
