"""Properties of the differentiable JPEG: it is close to the real one, and its gradient knows what survives."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from perturbations.images import RgbArray, compressed, to_tensor
from perturbations.training.soft_jpeg import soft_jpeg
from perturbations.training.transforms import transform


@pytest.fixture(scope="module")
def photo(astronaut_png: bytes) -> RgbArray:
    return np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(astronaut_png)).convert("RGB"))[:128, 160:288])


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_it_is_near_a_real_round_trip(photo: RgbArray, quality: int) -> None:
    x = to_tensor(photo[None])
    real = to_tensor(compressed(photo, "JPEG", quality)[None])
    off = (soft_jpeg(x, quality=quality) - real).abs().mean()
    assert off < 0.5 * (x - real).abs().mean()


@pytest.mark.parametrize("side", [8, 33, 40])
def test_any_size_keeps_shape_and_range(side: int) -> None:
    x = torch.rand(2, 3, side, side + 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = soft_jpeg(x, quality=75)
    assert y.shape == x.shape
    assert float(y.abs().max()) <= 1.0


def test_a_flat_picture_stays_flat() -> None:
    x = torch.full((1, 3, 32, 32), 0.25)
    assert float((soft_jpeg(x, quality=75) - x).abs().max()) < 2 / 127.5


def test_lower_quality_loses_more(photo: RgbArray) -> None:
    x = to_tensor(photo[None])
    losses = [float((soft_jpeg(x, quality=quality) - x).square().mean()) for quality in (95, 75, 50, 20)]
    assert losses == sorted(losses)


def wave(period: int, channels: tuple[float, float, float]) -> Tensor:
    """A vertical wave over 64 pixels in a colour direction, two steps of 255 high."""
    phase = torch.arange(64) * (2 * torch.pi / period)
    return (2 / 127.5) * torch.cos(phase).expand(1, 3, 64, 64) * torch.tensor(channels)[None, :, None, None]


def test_the_gradient_fades_where_the_quantisation_erases() -> None:
    """What is asked for is more of a wave: a slow grey one survives, a fast one of pure colour does not."""
    grey, colour = (1.0, 1.0, 1.0), (1.0, -0.51, 0.0)
    slopes = []
    for pattern in (wave(32, grey), wave(4, colour)):
        x = pattern.clone().requires_grad_(True)
        (soft_jpeg(x, quality=75) * pattern).sum().backward()
        assert x.grad is not None
        slopes.append(float((x.grad * pattern).sum() / pattern.square().sum()))
    assert slopes[0] > 10 * slopes[1]


@pytest.mark.parametrize("halved", [True, False])
def test_chroma_is_halved_only_where_asked(photo: RgbArray, halved: bool) -> None:
    x = to_tensor(photo[None])
    real = to_tensor(compressed(photo, "JPEG", 90, subsampling="4:2:0" if halved else "4:4:4")[None])
    right, wrong = (float((soft_jpeg(x, quality=90, halved=how) - real).abs().mean()) for how in (halved, not halved))
    assert right < wrong


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_a_transform_is_the_real_codec_with_a_gradient(name: str, photo: RgbArray) -> None:
    x = to_tensor(photo[None]).requires_grad_(True)
    y = transform(name).apply(x, torch.Generator().manual_seed(3))
    steps = (y.detach() + 1) * 127.5
    assert float((steps - steps.round()).abs().max()) < 1e-3  # whole steps: it has been a file
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert float(gradient.abs().sum()) > 0


def test_a_face_in_a_photo_has_a_drawn_size_in_whole_steps(photo: RgbArray) -> None:
    x = to_tensor(photo[None])
    sides = {transform("size").apply(x, torch.Generator().manual_seed(seed)).shape[-1] for seed in range(40)}
    assert min(sides) >= 96
    assert max(sides) <= 512
    assert len(sides) > 30
    steps = (transform("size").apply(x, torch.Generator().manual_seed(1)) + 1) * 127.5
    assert float((steps - steps.round()).abs().max()) < 1e-3


def test_blurs_differ_and_keep_a_flat_picture(photo: RgbArray) -> None:
    flat = torch.full((1, 3, 64, 64), 1 / 127.5 * 3)
    blurred = transform("blur").apply(flat, torch.Generator().manual_seed(0))
    assert float((blurred - flat.mean()).abs().max()) < 1.1 / 127.5
    x = to_tensor(photo[None])
    sharpness = {
        round(float(transform("blur").apply(x, torch.Generator().manual_seed(seed)).diff(dim=3).abs().mean()), 5)
        for seed in range(12)
    }
    assert len(sharpness) > 6


def test_turning_moves_the_corners_and_not_the_centre(photo: RgbArray) -> None:
    x = to_tensor(photo[None])
    turned = transform("turn").apply(x, torch.Generator().manual_seed(2))
    assert transform("turn").geometric
    middle = slice(62, 66)
    centre, all_over = ((turned - x)[..., part, part].abs().mean() for part in (middle, slice(None)))
    assert float(centre) < float(all_over)


def test_a_grey_photo_takes_no_colour(photo: RgbArray) -> None:
    x, grey = to_tensor(photo[None]), transform("grey")
    without = grey.apply(x, torch.Generator())
    assert torch.equal(without[:, 0], without[:, 2])
    colour = torch.tensor([0.02, -0.01, -0.01])[None, :, None, None].expand_as(x)
    torch.testing.assert_close(grey.apply(x + colour, torch.Generator()), without)
    assert grey.geometric, "compared with what becomes of the grey photo, not of the coloured one"
