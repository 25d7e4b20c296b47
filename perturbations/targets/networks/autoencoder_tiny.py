"""``AutoencoderTiny`` of the diffusers library: the TAESD family, small stand-ins for autoencoders of diffusion models.

Released in two layouts: the library's own, one file in a folder with ``config.json``; and the author's
(madebyollin/taesd), an encoder and a decoder in a file each, whose layers are numbered. Both are the same network. The
author's decoder counts one layer more, the tanh at its start, which has no parameters.

Such an autoencoder is deterministic: a latent has no distribution, and is of about unit variance as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, nn

from perturbations.errors import BadCheckpoint, MissingExtra
from perturbations.targets.networks.autoencoder_kl import unavailable
from perturbations.targets.networks.layout import Layout

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

CLASS: Final = "AutoencoderTiny"
_MUST: Final = {
    "act_fn": "relu",
    "upsample_fn": "nearest",
    "upsampling_scaling_factor": 2,
    "in_channels": 3,
    "out_channels": 3,
}
_HALF: Final = re.compile(r"(encoder|decoder)\.(\d+)\.(.+)")


def build(*, block_out_channels: Sequence[int], latent_channels: int, tiny_blocks: Sequence[int]) -> AutoencoderTiny:
    """An autoencoder with fresh weights. tiny_blocks: residual blocks of every stage; the decoder's in reverse.

    Raises:
        MissingExtra: the diffusers library is not installed.
        ValueError: there is not one width for every stage.
    """
    if (reason := unavailable()) is not None:
        raise MissingExtra(f"{CLASS} {reason}")
    from diffusers import AutoencoderTiny  # noqa: PLC0415 - optional, and seconds to import

    widths, blocks = tuple(block_out_channels), tuple(tiny_blocks)
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths[::-1],
        latent_channels=latent_channels,
        num_encoder_blocks=blocks,
        num_decoder_blocks=blocks[::-1],
    )


def infer(layout: Layout) -> dict[str, Any] | None:
    """The arguments of :func:`build` a layout needs, or ``None`` if it is not such an autoencoder."""
    shapes = layout.shapes
    first = shapes.get("encoder.layers.0.weight")
    if first is None or "decoder.layers.0.weight" not in shapes:
        return None
    blocks, index = [0], 1
    while f"encoder.layers.{index}.bias" not in shapes:  # what has a bias is the last convolution
        if f"encoder.layers.{index}.conv.0.weight" in shapes:
            blocks[-1] += 1
        elif f"encoder.layers.{index}.weight" in shapes:
            blocks.append(0)
        else:
            return None
        index += 1
    return {
        "block_out_channels": [first[0]] * len(blocks),
        "latent_channels": shapes[f"encoder.layers.{index}.weight"][0],
        "tiny_blocks": blocks,
    }


def from_config_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``config.json`` adds to :func:`infer`: the ``scale`` of latents.

    Raises:
        BadCheckpoint: it describes another class, or layers this target does not know.
    """
    if found.get("_class_name") != CLASS:
        raise BadCheckpoint(f"config.json describes a {found.get('_class_name')}, the weights beside it are {CLASS}")
    for field, value in _MUST.items():
        if found.get(field, value) != value:
            raise BadCheckpoint(f"config.json: {field} must be {value}")
    scale = found.get("scaling_factor", 1.0)
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        raise BadCheckpoint("config.json: scaling_factor must be a number above zero")
    return {"scale": float(scale)}


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The author's names, ``encoder.0.weight``, as the library has them; others stay."""
    return {_in_library(name): tensor for name, tensor in state.items()}


def latents(vae: nn.Module, x: Tensor) -> Tensor:
    """Latents ``[B, C, h, w]`` of images ``[B, 3, H, W]`` in [-1, 1]."""
    found: Tensor = vae.encode(x).latents  # type: ignore[operator]
    return found


def _in_library(name: str) -> str:
    found = _HALF.fullmatch(name)
    if found is None:
        return name
    half, index, rest = found[1], int(found[2]), found[3]
    return f"{half}.layers.{index - (half == 'decoder')}.{rest}"
