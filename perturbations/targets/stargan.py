"""StarGAN (Choi et al., CVPR 2018): label-conditioned image-to-image translation.

The tap is the output of the last residual block. Layout: ``*-G.ckpt`` of the official implementation, whose test
code never switches to ``eval()``: its instance norm uses the statistics of the input although it stores running ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from perturbations.targets.interface import Layout, Manipulation, Target, check_labels, label_tensor

CELEBA_EDITS: Mapping[str, tuple[float, ...]] = {
    # Black_Hair, Blond_Hair, Brown_Hair, Male, Young
    "black_hair": (1, 0, 0, 0, 1),
    "blond_hair": (0, 1, 0, 0, 1),
    "brown_hair": (0, 0, 1, 0, 1),
    "male": (0, 0, 1, 1, 1),
    "old": (0, 0, 1, 0, 0),
}
"""Edits of the official five-attribute CelebA checkpoints: full label vectors, chosen by us."""


class InputInstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm with the statistics of the input in every mode; the stored running statistics are only carried."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class ResidualBlock(nn.Module):
    """``x + N(C(relu(N(C(x)))))`` at constant width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InputInstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InputInstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.main(x))


def concat_labels(x: Tensor, labels: Tensor) -> Tensor:
    """Image ``[B, 3, H, W]`` and labels ``[B, K]`` to ``[B, 3 + K, H, W]``: labels become constant planes."""
    return torch.cat([x, labels[:, :, None, None].expand(-1, -1, *x.shape[-2:]).to(x.dtype)], dim=1)


def trunk(*, conv_dim: int, c_dim: int, repeat_num: int) -> list[nn.Module]:
    """The layers StarGAN and AttentionGAN share, up to and including the last residual block."""
    layers: list[nn.Module] = [
        nn.Conv2d(3 + c_dim, conv_dim, 7, 1, 3, bias=False),
        InputInstanceNorm2d(conv_dim),
        nn.ReLU(inplace=True),
    ]
    width = conv_dim
    for _ in range(2):
        layers += [nn.Conv2d(width, width * 2, 4, 2, 1, bias=False), InputInstanceNorm2d(width * 2)]
        layers += [nn.ReLU(inplace=True)]
        width *= 2
    layers += [ResidualBlock(width) for _ in range(repeat_num)]
    return layers


def upsampler(width: int) -> list[nn.Module]:
    """The two upsampling stages behind the trunk, from ``width`` channels to ``width / 4``."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), InputInstanceNorm2d(width // 2)]
        layers += [nn.ReLU(inplace=True)]
        width //= 2
    return layers


class StarGANGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W], labels [B, c_dim])``; H and W are multiples of 4."""

    def __init__(self, *, conv_dim: int = 64, c_dim: int = 5, repeat_num: int = 6) -> None:
        super().__init__()
        encoder = trunk(conv_dim=conv_dim, c_dim=c_dim, repeat_num=repeat_num)
        self.tap_index = len(encoder)
        output = [nn.Conv2d(conv_dim, 3, 7, 1, 3, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*encoder, *upsampler(conv_dim * 4), *output)

    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        """Output of the last residual block, ``[B, 4 * conv_dim, H / 4, W / 4]``."""
        return cast(Tensor, self.main[: self.tap_index](concat_labels(x, labels)))

    def decode(self, tap: Tensor) -> Tensor:
        """Image from the tap."""
        return cast(Tensor, self.main[self.tap_index :](tap))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.decode(self.encode(x, labels))


class StarGAN(Target):
    """StarGAN as a target; an edit is a full label vector."""

    architecture = "stargan"
    paradigm = "label-conditioned translation"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {"male": (1.0, 0.0), "old": (0.0, 1.0)},
        "image_size": 32,
        "conv_dim": 4,
        "c_dim": 2,
        "repeat_num": 1,
    }
    generator: StarGANGenerator

    def __init__(
        self,
        *,
        edits: Mapping[str, Sequence[float]],
        image_size: int = 256,
        conv_dim: int = 64,
        c_dim: int = 5,
        repeat_num: int = 6,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        self.labels = check_labels(edits, c_dim)
        self.hyper = {"conv_dim": conv_dim, "c_dim": c_dim, "repeat_num": repeat_num}
        self.generator = StarGANGenerator(**self.hyper)
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        tap = self.generator.encode(x, label_tensor(self.labels[self.known_edit(edit)], x))
        return Manipulation(self.generator.decode(tap), tap)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.labels, **self.hyper}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        return infer_translator(layout, head="main", channels=3)

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        return published_translations(config)

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        return numbered_edits(config["c_dim"])


def infer_translator(layout: Layout, *, head: str, channels: int) -> Mapping[str, Any] | None:
    """Width, attribute count and depth of a StarGAN-like network stored under ``head`` with ``channels`` outputs."""
    first = layout.shapes.get(f"{head}.0.weight")
    if first is None or len(first) != 4 or first[2:] != (7, 7) or first[1] <= 3:
        return None
    conv_dim, c_dim = first[0], first[1] - 3
    repeat_num = sum(1 for i in range(9, 9 + len(layout.shapes)) if f"{head}.{i}.main.0.weight" in layout.shapes)
    # three layers in each of three stages, the blocks, three layers in each of two stages, the output
    last = layout.shapes.get(f"{head}.{9 + repeat_num + 6}.weight")
    if last is None or last[0] != channels:
        return None
    sizes = {"conv_dim": conv_dim, "c_dim": c_dim, "repeat_num": repeat_num}
    return {"image_size": 256, "edits": published_translations(sizes) or numbered_edits(c_dim), **sizes}


def published_translations(config: Mapping[str, Any]) -> Mapping[str, tuple[float, ...]] | None:
    """The edits of the published checkpoint of a StarGAN-like layout; ``None`` where it takes other labels."""
    return CELEBA_EDITS if config["c_dim"] == len(next(iter(CELEBA_EDITS.values()))) else None


def numbered_edits(count: int) -> dict[str, tuple[float, ...]]:
    """One edit per attribute, that attribute alone set, for checkpoints whose attributes are not known by name."""
    return {f"attribute_{i}": tuple(float(i == j) for j in range(count)) for i in range(count)}
