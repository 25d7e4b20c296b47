"""``AutoencoderKL``, the autoencoder of latent diffusion (Rombach et al., CVPR 2022), laid out as in diffusers.

The configuration is what the shapes of its tensors show, plus the groups of its norms, which they do not show.
Official weights lie in a folder, mostly called ``vae``, beside a ``config.json`` that names those as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.errors import BadCheckpoint
from perturbations.targets.networks.autoencoder_blocks import EPSILON, DownBlock, MiddleBlock, UpBlock
from perturbations.targets.networks.latent_editor import norm_groups
from perturbations.targets.networks.layout import Layout

OFFICIAL_GROUPS: Final = 32
STABLE_DIFFUSION_SCALE: Final = 0.18215
"""What brings the latents of Stable Diffusion 1 and 2 to unit variance (Rombach et al., CVPR 2022)."""
_CLASS: Final = "AutoencoderKL"
_BLOCKS: Final = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}
_OLD_NAMES: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention before diffusers 0.13, in which the official files of Stable Diffusion 1 are written still."""
_LOG_VARIANCE: Final = (-30.0, 20.0)
"""The range the official code clips the logarithm of the posterior's variance to."""


class Encoder(nn.Module):
    """Images ``[B, 3, H, W]`` to mean and log variance ``[B, 2C, h, w]``."""

    def __init__(self, widths: Sequence[int], layers: int, channels: int, groups: int, *, attention: bool) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        last = len(widths) - 1
        self.down_blocks = nn.ModuleList(
            DownBlock(widths[max(0, i - 1)], widths[i], layers, groups, last=i == last) for i in range(len(widths))
        )
        self.mid_block = MiddleBlock(widths[-1], groups, attention=attention)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=EPSILON)
        self.conv_out = nn.Conv2d(widths[-1], 2 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return cast(Tensor, self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x)))))


class Decoder(nn.Module):
    """Latents ``[B, C, h, w]`` to images ``[B, 3, H, W]``; one residual block more at each resolution."""

    def __init__(self, widths: Sequence[int], layers: int, channels: int, groups: int, *, attention: bool) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[-1], 3, padding=1)
        last = len(widths) - 1
        self.up_blocks = nn.ModuleList(
            UpBlock(widths[min(last, i + 1)], widths[i], layers + 1, groups, last=i == 0) for i in range(last, -1, -1)
        )
        self.mid_block = MiddleBlock(widths[-1], groups, attention=attention)
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps=EPSILON)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return cast(Tensor, self.conv_out(F.silu(self.conv_norm_out(x))))


class AutoencoderKL(nn.Module):
    """An autoencoder with fresh weights.

    Args:
        block_out_channels: channels at each resolution, each half the one before.
        layers_per_block: residual blocks at each resolution of the encoder.
        mid_block_attention: whether there is attention at the lowest resolution.
        quant_conv: whether there is a 1x1 convolution after the encoder and one before the decoder.
    """

    def __init__(
        self,
        *,
        block_out_channels: Sequence[int],
        layers_per_block: int,
        latent_channels: int,
        norm_num_groups: int,
        mid_block_attention: bool,
        quant_conv: bool,
    ) -> None:
        super().__init__()
        shape = (tuple(block_out_channels), layers_per_block, latent_channels, norm_num_groups)
        self.encoder = Encoder(*shape, attention=mid_block_attention)
        self.decoder = Decoder(*shape, attention=mid_block_attention)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1) if quant_conv else None
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1) if quant_conv else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latents, ``[B, C, h, w]`` each, of images ``[B, 3, H, W]`` in [-1, 1]."""
        moments = self.encoder(x)
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        mean, log_variance = moments.chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE).mul(0.5).exp()

    def decode(self, latent: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]``, not clipped to [-1, 1], of latents ``[B, C, h, w]``."""
        return cast(Tensor, self.decoder(latent if self.post_quant_conv is None else self.post_quant_conv(latent)))


def infer(layout: Layout) -> dict[str, Any] | None:
    """The arguments of :class:`AutoencoderKL` a layout needs, or ``None`` if it is not such an autoencoder."""
    shapes = layout.shapes
    first, latent = shapes.get("encoder.conv_in.weight"), shapes.get("decoder.conv_in.weight")
    if first is None or latent is None or "encoder.down_blocks.0.resnets.0.conv1.weight" not in shapes:
        return None
    widths: list[int] = []
    while shape := shapes.get(f"encoder.down_blocks.{len(widths)}.resnets.0.conv1.weight"):
        widths.append(shape[0])
    layers = 0
    while f"encoder.down_blocks.0.resnets.{layers}.conv1.weight" in shapes:
        layers += 1
    return {
        "block_out_channels": widths,
        "layers_per_block": layers,
        "latent_channels": latent[1],
        "norm_num_groups": norm_groups(math.gcd(*widths), most=OFFICIAL_GROUPS),
        "mid_block_attention": any(name.startswith("encoder.mid_block.attentions.") for name in shapes),
        "quant_conv": "quant_conv.weight" in shapes,
    }


def from_config_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``config.json`` adds to :func:`infer`: ``norm_num_groups``, ``image_size`` and the ``scale`` of latents.

    Raises:
        BadCheckpoint: it describes another class, or blocks this target does not know.
    """
    if found.get("_class_name") != _CLASS:
        raise BadCheckpoint(f"config.json describes a {found.get('_class_name')}; only {_CLASS} is read")
    for field, block in _BLOCKS.items():
        if set(found.get(field, [block])) != {block}:
            raise BadCheckpoint(f"config.json: {field} must all be {block}")
    if found.get("act_fn", "silu") != "silu":
        raise BadCheckpoint("config.json: act_fn must be silu")
    scale = found.get("scaling_factor", STABLE_DIFFUSION_SCALE)
    if not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
        raise BadCheckpoint("config.json: scaling_factor must be a number above zero")
    return {
        "norm_num_groups": found.get("norm_num_groups", OFFICIAL_GROUPS),
        "image_size": found.get("sample_size", 256),
        "scale": float(scale),
    }


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the attention's old names replaced by today's; others stay."""
    done: dict[str, Tensor] = {}
    for name, tensor in state.items():
        parts = name.split(".")
        old = len(parts) > 2 and ".attentions." in name and parts[-2] in _OLD_NAMES
        done[".".join([*parts[:-2], _OLD_NAMES[parts[-2]], parts[-1]]) if old else name] = tensor
    return done
