"""``AutoencoderKL`` of the diffusers library (an optional extra): built when needed, recognised by its layout.

The configuration is what the shapes of its tensors show, plus the groups of its norms, which they do not show.
Official weights lie in a folder, mostly called ``vae``, beside a ``config.json`` that names those as well.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, nn

from perturbations.errors import BadCheckpoint, MissingExtra
from perturbations.targets.networks.latent_editor import norm_groups
from perturbations.targets.networks.layout import Layout

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

OFFICIAL_GROUPS: Final = 32
STABLE_DIFFUSION_SCALE: Final = 0.18215
"""What brings the latents of Stable Diffusion 1 and 2 to unit variance (Rombach et al., CVPR 2022)."""
_CLASS: Final = "AutoencoderKL"
_BLOCKS: Final = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}
_OLD_NAMES: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention before diffusers 0.13, in which the official files of Stable Diffusion 1 are written still."""


def unavailable() -> str | None:
    """Why no autoencoder can be built here, or ``None`` if one can. Imports nothing."""
    if importlib.util.find_spec("diffusers") is None:
        return "needs the diffusers library; install it with: pip install 'poise[diffusion]'"
    return None


def build(
    *,
    block_out_channels: Sequence[int],
    layers_per_block: int,
    latent_channels: int,
    norm_num_groups: int,
    mid_block_attention: bool,
    quant_conv: bool,
) -> AutoencoderKL:
    """An autoencoder with fresh weights.

    Raises:
        MissingExtra: the diffusers library is not installed.
    """
    if (reason := unavailable()) is not None:
        raise MissingExtra(f"{_CLASS} {reason}")
    from diffusers import AutoencoderKL  # noqa: PLC0415 - optional, and seconds to import

    count = len(block_out_channels)
    return AutoencoderKL(
        block_out_channels=tuple(block_out_channels),
        down_block_types=(_BLOCKS["down_block_types"],) * count,
        up_block_types=(_BLOCKS["up_block_types"],) * count,
        layers_per_block=layers_per_block,
        latent_channels=latent_channels,
        norm_num_groups=norm_num_groups,
        mid_block_add_attention=bool(mid_block_attention),
        use_quant_conv=bool(quant_conv),
        use_post_quant_conv=bool(quant_conv),
    )


def infer(layout: Layout) -> dict[str, Any] | None:
    """The arguments of :func:`build` a layout needs, or ``None`` if it is not such an autoencoder."""
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


def moments(vae: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the posterior, ``[B, C, h, w]`` each, of images ``[B, 3, H, W]`` in [-1, 1]."""
    posterior = vae.encode(x).latent_dist  # type: ignore[operator]
    return posterior.mean, posterior.std


def decoded(vae: nn.Module, latent: Tensor) -> Tensor:
    """Images ``[B, 3, H, W]``, not clipped to [-1, 1], of latents ``[B, C, h, w]``."""
    sample: Tensor = vae.decode(latent).sample  # type: ignore[operator]
    return sample
