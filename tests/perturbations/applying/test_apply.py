"""Properties of adding a perturbation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from perturbations import apply
from perturbations.apply import add, perturb
from perturbations.artifact import SHAPE, Perturbation
from perturbations.bounds import STEPS_PER_UNIT, Linf
from perturbations.faces import Region, frame
from perturbations.images import RgbArray, resize
from perturbations.pattern import SEEN_AT, resize_delta

EPSILONS = st.sampled_from([1 / 127.5, 0.02, 0.05, 6 / 127.5, 0.3])
IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)))
REGIONS = st.lists(
    st.builds(Region, st.integers(-40, 50), st.integers(-40, 50), st.integers(1, 90), st.integers(1, 90)), max_size=4
)


def corner(epsilon: float, seed: int, *, blocks: int = 8) -> Perturbation:
    """Every entry at the border of the bound, in blocks, so that resizing does not average them away."""
    signs = Linf(epsilon).signs((1, 3, blocks, blocks), torch.Generator().manual_seed(seed))
    size = SHAPE[3] // blocks
    return Perturbation("corner", signs.repeat_interleave(size, 2).repeat_interleave(size, 3), epsilon, {})


def covered(image: RgbArray, regions: list[Region]) -> np.ndarray:
    mask = np.zeros(image.shape[:2], dtype=bool)
    for r in regions:
        mask[max(r.y, 0) : max(r.y + r.height, 0), max(r.x, 0) : max(r.x + r.width, 0)] = True
    return mask


@settings(max_examples=80, deadline=None)
@given(image=IMAGES, regions=REGIONS, epsilon=EPSILONS, seed=st.integers(0, 3))
def test_keeps_bound_shape_and_everything_outside(
    image: RgbArray, regions: list[Region], epsilon: float, seed: int
) -> None:
    before = image.copy()
    result = perturb(image, regions, corner(epsilon, seed))
    assert np.array_equal(image, before), "the input was written to"
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    difference = np.abs(result.astype(int) - image)
    assert difference.max(initial=0) <= int(epsilon * 127.5 + 1e-6)
    assert not difference[~covered(image, regions)].any()


@settings(max_examples=20, deadline=None)
@given(size=st.sampled_from([(1, 1), (1, 2000), (2000, 1), (3, 700), (256, 256), (11, 10)]), epsilon=EPSILONS)
def test_whole_frame_of_any_shape(size: tuple[int, int], epsilon: float) -> None:
    image = np.full((*size, 3), 128, dtype=np.uint8)
    bound = Linf(epsilon)
    constant = Perturbation("constant", torch.full(SHAPE, epsilon), epsilon, {})
    result = perturb(image, [frame(size[1], size[0])], constant)
    assert np.array_equal(result, image + bound.steps), "a constant perturbation stays constant at every size"


def test_rounds_to_the_nearest_step() -> None:
    image = np.full((256, 256, 3), 100, dtype=np.uint8)
    steps = torch.linspace(-6.375, 6.375, SHAPE[3]).expand(SHAPE)
    result = perturb(image, [frame(256, 256)], Perturbation("ramp", steps / 127.5, 0.05, {}))
    assert np.array_equal(result[0, :, 0].astype(int) - 100, np.rint(steps[0, 0, 0].numpy() + 0.0))
    assert (result.astype(int) - 100).min() == -6
    assert (result.astype(int) - 100).max() == 6


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_clips_at_black_and_white(sign: float) -> None:
    delta = Perturbation("constant", torch.full(SHAPE, sign * 0.05), 0.05, {})
    for value in (0, 3, 252, 255):
        image = np.full((9, 9, 3), value, dtype=np.uint8)
        expected = min(255, max(0, value + int(sign * 6)))
        assert np.array_equal(perturb(image, [frame(9, 9)], delta), np.full_like(image, expected))


def test_where_regions_overlap_each_pixel_mostly_belongs_to_the_nearer_middle() -> None:
    image = np.full((60, 60, 3), 128, dtype=np.uint8)
    large, small = Region(0, 0, 50, 50), Region(30, 30, 30, 30)
    delta = corner(0.05, 1)
    both = perturb(image, [small, large], delta)
    assert np.array_equal(both, perturb(image, [large, small], delta))
    assert np.abs(both.astype(int) - 128).max() == 6
    alone = perturb(image, [large], delta), perturb(image, [small], delta)
    assert np.array_equal(both[:30, :30], alone[0][:30, :30])
    assert np.array_equal(both[50:, 50:], alone[1][50:, 50:])
    # in the corner that they share, from the middle of one to that of the other
    apart = [np.abs(both[30:50, 30:50].astype(int) - one[30:50, 30:50]).mean(axis=2) for one in alone]
    assert apart[0][1, 1] < apart[1][1, 1]
    assert apart[1][-3, -3] < apart[0][-3, -3]


def test_patterns_are_made_when_it_is_their_turn() -> None:
    picture = Image.new("RGB", (1000, 750))
    delta = corner(0.05, 6)
    add(picture, [frame(250, 250)], delta)  # what is made once
    tracemalloc.start()
    add(picture, [Region(x, y, 250, 250) for x in range(0, 1000, 250) for y in range(0, 750, 250)], delta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 12 * 250**2, "a few of the twelve"


@pytest.mark.parametrize("side", [90, 300])
def test_patterns_that_are_not_held_are_the_same(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((400, 400, 3), 128, dtype=np.uint8)
    regions = [Region(40 * i, 31 * i, side + i, side + i % 2) for i in range(4)]
    whole = perturb(image, regions, corner(0.05, 7))
    monkeypatch.setattr(apply, "_HELD", 0)
    assert np.array_equal(perturb(image, regions, corner(0.05, 7)), whole)


def test_borders_fade_except_along_the_edge_of_the_picture() -> None:
    image = np.full((200, 200, 3), 128, dtype=np.uint8)
    constant = Perturbation("constant", torch.full(SHAPE, 0.05), 0.05, {})
    change = perturb(image, [Region(0, 40, 120, 120)], constant)[:, :, 0].astype(int) - 128
    assert change[100, 0] == change[100, 60] == 6
    assert change[100, 119] == change[40, 60] == change[159, 60] == 0
    assert (np.diff(change[100, 60:]) <= 0).all()
    assert 0 < change[100, 117] < 6


def test_region_beyond_the_border_gets_its_visible_part() -> None:
    image = np.full((64, 64, 3), 128, dtype=np.uint8)
    delta = corner(0.05, 2)
    wide = np.full((128, 128, 3), 128, dtype=np.uint8)
    whole = perturb(wide, [Region(32, 32, 90, 90)], delta)
    assert np.array_equal(perturb(image, [Region(-8, 12, 90, 90)], delta), whole[20:84, 40:104])


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400), epsilon=EPSILONS)
def test_resized_delta_keeps_its_bound(height: int, width: int, epsilon: float) -> None:
    delta = corner(epsilon, 3).delta
    resized = resize_delta(delta, (height, width), epsilon)
    assert resized.shape == (1, 3, height, width)
    assert float(resized.abs().max()) <= np.float32(epsilon)


@pytest.mark.parametrize("side", [72, 92, 110, 128, 150, 180, 230])
def test_on_a_small_face_a_generator_sees_nearly_what_it_would_see_on_a_large_one(side: int) -> None:
    delta = corner(0.05, 4, blocks=64).delta
    wanted = resize(delta, SEEN_AT)

    def missed(shrunk: torch.Tensor) -> float:
        delivered = shrunk.mul(STEPS_PER_UNIT).round().clamp(-6.0, 6.0).div(STEPS_PER_UNIT)
        return float((resize(delivered, SEEN_AT) - wanted).square().mean().sqrt())

    ours, plain = missed(resize_delta(delta, side, 0.05)), missed(resize(delta, side))
    assert ours < (0.7 if side < 100 else 0.95) * plain


def test_on_a_large_face_nothing_needs_to_be_put_back() -> None:
    delta = corner(0.05, 5).delta
    assert torch.equal(resize_delta(delta, 256, 0.05), delta)
    torch.testing.assert_close(resize_delta(delta, (300, 400), 0.05), resize(delta, (300, 400)).clamp(-0.05, 0.05))
