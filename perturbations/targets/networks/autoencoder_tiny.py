"""``AutoencoderTiny``: the TAESD family, small stand-ins for autoencoders of diffusion models.

Released in two layouts: that of the diffusers library, one file in a folder with ``config.json``; and the author's
(madebyollin/taesd), an encoder and a decoder in a file each, whose layers are numbered. Both are the same network. The
author's decoder counts one layer more, the tanh at its start, which has no parameters.

Such an autoencoder is deterministic: a latent has no distribution, and is of about unit variance as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from torch import Tensor, nn

from perturbations.errors import BadCheckpoint
from perturbations.targets.networks.layout import Layout

CLASS: Final = "AutoencoderTiny"
_MUST: Final = {
    "act_fn": "relu",
    "upsample_fn": "nearest",
    "upsampling_scaling_factor": 2,
    "in_channels": 3,
    "out_channels": 3,
}
_HALF: Final = re.compile(r"(encoder|decoder)\.(\d+)\.(.+)")


class Block(nn.Module):
    """``relu(x + C(relu(C(relu(C(x))))))`` at constant width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second, third = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor) -> Tensor:
        return (x + cast(Tensor, self.conv(x))).relu()


class Half(nn.Module):
    """An encoder or a decoder: one layer after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)


class AutoencoderTiny(nn.Module):
    """An autoencoder with fresh weights.

    Args:
        block_out_channels: channels of every stage, each at half the resolution of the one before.
        tiny_blocks: residual blocks of every stage; the decoder has them in reverse.

    Raises:
        ValueError: there is not one width for every stage.
    """

    def __init__(self, *, block_out_channels: Sequence[int], latent_channels: int, tiny_blocks: Sequence[int]) -> None:
        super().__init__()
        if len(block_out_channels) != len(tiny_blocks):
            raise ValueError("a tiny autoencoder has as many widths as stages")
        stages = list(zip(block_out_channels, tiny_blocks, strict=True))
        self.encoder = Half(*_encoder(stages, latent_channels))
        self.decoder = Half(*_decoder(stages[::-1], latent_channels))

    def encode(self, x: Tensor) -> tuple[Tensor, None]:
        """Latents ``[B, C, h, w]`` of images ``[B, 3, H, W]`` in [-1, 1], and no standard deviation of them."""
        return cast(Tensor, self.encoder.layers((x + 1) / 2)), None

    def decode(self, latent: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]``, not clipped to [-1, 1], of latents ``[B, C, h, w]``."""
        return 2 * cast(Tensor, self.decoder.layers(3 * (latent / 3).tanh())) - 1


def _encoder(stages: Sequence[tuple[int, int]], latent_channels: int) -> Iterator[nn.Module]:
    before = 3
    for number, (width, blocks) in enumerate(stages):
        halves = number > 0
        yield nn.Conv2d(before, width, 3, padding=1, stride=2 if halves else 1, bias=not halves)
        yield from (Block(width) for _ in range(blocks))
        before = width
    yield nn.Conv2d(before, latent_channels, 3, padding=1)


def _decoder(stages: Sequence[tuple[int, int]], latent_channels: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(latent_channels, stages[0][0], 3, padding=1)
    yield nn.ReLU()
    for number, (width, blocks) in enumerate(stages, 1):
        last = number == len(stages)
        yield from (Block(width) for _ in range(blocks))
        if not last:
            yield nn.Upsample(scale_factor=2)
        yield nn.Conv2d(width, 3 if last else width, 3, padding=1, bias=last)


def infer(layout: Layout) -> dict[str, Any] | None:
    """The arguments of :class:`AutoencoderTiny` a layout needs, or ``None`` if it is not such an autoencoder."""
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


def _in_library(name: str) -> str:
    found = _HALF.fullmatch(name)
    if found is None:
        return name
    half, index, rest = found[1], int(found[2]), found[3]
    return f"{half}.layers.{index - (half == 'decoder')}.{rest}"
