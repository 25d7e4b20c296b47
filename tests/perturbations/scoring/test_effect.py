"""L2mask."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from perturbations.effect import MASK_THRESHOLD, SUCCESS_THRESHOLD, l2_mask, manipulation_mask

GOLDEN = Path(__file__).parents[2] / "golden" / "l2_mask.safetensors"


def test_agrees_with_worked_examples() -> None:
    golden = load_file(GOLDEN)
    effect = l2_mask(golden["x"], golden["clean_output"], golden["disrupted_output"])
    torch.testing.assert_close(effect, golden["l2_mask"], rtol=1e-5, atol=1e-7, equal_nan=True)
    coverage = manipulation_mask(golden["x"], golden["clean_output"]).float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(coverage, golden["mask_coverage"], rtol=1e-5, atol=1e-7)
    assert effect.isnan().any()
    assert (effect > SUCCESS_THRESHOLD).any()


def draw(seed: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    x, clean, disrupted = (torch.rand(3 * batch, 3, 12, 12, generator=random) * 2 - 1).chunk(3)
    return x, clean, disrupted


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_only_manipulated_pixels_count(seed: int, change: float) -> None:
    x, clean, disrupted = draw(seed)
    clean[:, :, :6] = x[:, :, :6]
    elsewhere = disrupted.clone()
    elsewhere[:, :, :6] += change
    torch.testing.assert_close(l2_mask(x, clean, elsewhere), l2_mask(x, clean, disrupted))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 2.0))
def test_a_constant_difference_counts_its_square(seed: int, change: float) -> None:
    x, clean, _ = draw(seed)
    assert l2_mask(x, clean, clean + change).tolist() == pytest.approx([change**2] * 3, rel=1e-4)


@given(st.integers(0, 10_000))
def test_images_do_not_touch_each_other(seed: int) -> None:
    x, clean, disrupted = draw(seed)
    alone = torch.cat([l2_mask(x[i : i + 1], clean[i : i + 1], disrupted[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(l2_mask(x, clean, disrupted), alone)


def test_nothing_manipulated_is_nan_and_the_threshold_itself_is_not_manipulated() -> None:
    x = torch.zeros(1, 3, 4, 4)
    clean = x.clone()
    clean[:, 0] = MASK_THRESHOLD
    assert l2_mask(x, clean, clean + 1).isnan().all()
    clean[0, 1, 2, 2] = 0.25
    assert l2_mask(x, clean, clean + 1).tolist() == [1.0]
