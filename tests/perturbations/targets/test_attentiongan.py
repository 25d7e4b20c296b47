"""The tap joins two unlike things; neither may dwarf the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from perturbations.targets import Target
from perturbations.targets.attentiongan import AttentionGAN, joint_tap
from perturbations.targets.networks.attentiongan import Painting, blend


@pytest.mark.parametrize("channels", [1, 32, 256])
def test_each_part_of_the_tap_counts_half_whatever_its_size(channels: int) -> None:
    noise = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, channels, 4, 4, generator=noise) for _ in range(2))
    p, q = (torch.rand(2, 1, 16, 16, generator=noise) for _ in range(2))
    rms = torch.tensor(3.0)
    joined = mse_loss(joint_tap(a, p, rms=rms), joint_tap(b, q, rms=rms))
    torch.testing.assert_close(joined, mse_loss(a, b) / (2 * 9) + mse_loss(p, q) / 2)


@pytest.mark.parametrize("repeat_num", [0, 1, 4])
def test_the_scale_of_the_bottleneck_follows_from_the_weights(repeat_num: int) -> None:
    torch.manual_seed(1)
    target = AttentionGAN(edits={"male": (1, 0)}, image_size=64, conv_dim=8, c_dim=2, repeat_num=repeat_num)
    generator = target.generator
    x = torch.rand(4, 3, 64, 64) * 2 - 1
    measured = generator.encode(x, torch.tensor([[1.0, 0.0]]).expand(4, -1)).square().mean().sqrt()
    assert 0.7 < float(generator.bottleneck_rms() / measured) < 1.4


def test_the_scale_does_not_depend_on_the_input(
    small: Callable[[str], Target], faces: Callable[[Target], Tensor]
) -> None:
    generator = cast(AttentionGAN, small("attentiongan")).generator
    before = generator.bottleneck_rms()
    generator(faces(small("attentiongan")), torch.ones(2, 2))
    assert torch.equal(generator.bottleneck_rms(), before)


def test_closed_attention_leaves_the_input_alone_and_open_attention_nothing_of_it() -> None:
    x, content = torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), -0.75)
    attention = torch.zeros(1, 1, 4, 4)
    assert torch.equal(blend(x, Painting(content, attention)), x)
    assert torch.equal(blend(x, Painting(content, attention + 1)), content)
