"""CycleGAN (Zhu et al., ICCV 2017): translation between two kinds of pictures, learnt without pairs.

The generator is the residual one of the official releases (``latest_net_G*.pth``): six or nine blocks, reflection
padding, instance norm with the statistics of the input. The norm has no parameters there; networks of others give it
scale and shift, and both layouts load. A generator makes one translation, so there is one edit, and its name is free.

The tap is the output of the last residual block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, cast

from torch import Tensor, nn

from perturbations.targets.interface import Layout, Manipulation, Target

EDIT: Final = "translate"
"""What the one edit is called unless a configuration says otherwise."""
STEM: Final = 4
"""Layers of the first stage: padding, convolution, norm, activation."""
STAGE: Final = 3
"""Layers of a stage that changes the resolution."""
MAX_BLOCKS: Final = 64
_RUNNING: Final = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


class ResidualBlock(nn.Module):
    """``x + N(C(relu(N(C(x)))))`` at constant width, padded by reflection."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=affine),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels, affine=affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.conv_block(x))


class ResNetGenerator(nn.Module):
    """The official network: ``forward(x [B, 3, H, W])`` gives ``[B, 3, H, W]``; H and W are multiples of 4."""

    def __init__(self, *, width: int, blocks: int, affine: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *_normed(width, affine=affine)]
        for n_in in (width, 2 * width):
            layers += [nn.Conv2d(n_in, 2 * n_in, 3, 2, 1), *_normed(2 * n_in, affine=affine)]
        layers += [ResidualBlock(4 * width, affine=affine) for _ in range(blocks)]
        self.tap_index = len(layers)
        for n_in in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(n_in, n_in // 2, 3, 2, 1, 1), *_normed(n_in // 2, affine=affine)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def encode(self, x: Tensor) -> Tensor:
        """Output of the last residual block, ``[B, 4 * width, H / 4, W / 4]``."""
        return cast(Tensor, self.model[: self.tap_index](x))

    def decode(self, tap: Tensor) -> Tensor:
        """Image from the tap."""
        return cast(Tensor, self.model[self.tap_index :](tap))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class CycleGAN(Target):
    """One generator of a CycleGAN as a target.

    Raises:
        ValueError: more than one edit is named, or a size makes no sense.
    """

    architecture = "cyclegan"
    paradigm = "unpaired translation"
    single_edit = True
    small: ClassVar[Mapping[str, Any]] = {
        "edits": (EDIT,),
        "image_size": 32,
        "width": 4,
        "blocks": 2,
        "affine": True,
    }
    generator: ResNetGenerator

    def __init__(
        self, *, edits: Sequence[str], image_size: int = 256, width: int = 64, blocks: int = 9, affine: bool = False
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        if len(self.edits) != 1 or isinstance(edits, str) or not isinstance(self.edits[0], str):
            raise ValueError(f"a CycleGAN makes one translation: give the list of one name, not {edits!r}")
        if image_size % 4 or image_size < 16:
            raise ValueError(f"image_size must be a multiple of 4 from 16 on, got {image_size}")
        if not 0 < blocks <= MAX_BLOCKS:
            raise ValueError(f"a generator has 1 to {MAX_BLOCKS} residual blocks, not {blocks}")
        self.hyper: dict[str, Any] = {"width": width, "blocks": blocks, "affine": bool(affine)}
        self.generator = ResNetGenerator(width=width, blocks=blocks, affine=bool(affine))
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        self.known_edit(edit)
        tap = self.generator.encode(x)
        return Manipulation(self.generator.decode(tap), tap)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.edits, **self.hyper}

    @classmethod
    def canonical(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Blocks under their official name, without the statistics PyTorch once stored for norms that use none."""
        if "model.1.weight" not in state or "model.1.bias" not in state:  # with batch norm there is no bias
            return state
        named = {_official(name): tensor for name, tensor in state.items()}
        return {name: tensor for name, tensor in named.items() if not _RUNNING.search(name)}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        first = layout.shapes.get("model.1.weight")
        if first is None or len(first) != 4 or first[1:] != (3, 7, 7):
            return None
        start, blocks = STEM + 2 * STAGE, 0
        while f"model.{start + blocks}.conv_block.1.weight" in layout.shapes:
            blocks += 1
        if not blocks:
            return None
        return {
            "image_size": 256,
            "edits": (EDIT,),
            "width": first[0],
            "blocks": blocks,
            "affine": "model.2.weight" in layout.shapes,
        }


def _normed(channels: int, *, affine: bool) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels, affine=affine), nn.ReLU(inplace=True)]


def _official(name: str) -> str:
    """``model.10.block.1.weight`` as the official releases call it."""
    return re.sub(r"^(model\.\d+)\.block\.(?=\d+\.)", r"\1.conv_block.", name)
