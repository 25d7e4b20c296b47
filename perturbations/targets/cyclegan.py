"""CycleGAN (Zhu et al., ICCV 2017): translation between two kinds of pictures, learnt without pairs.

The generator is the residual one of the official releases (``latest_net_G*.pth``): six or nine blocks, reflection
padding, instance norm with the statistics of the input. The norm has no parameters there; other networks give it
scale and shift, and both layouts load. A generator makes one translation, so there is one edit, and its name is free.

The tap is the output of the last residual block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from torch import Tensor

from perturbations.targets.interface import Layout, Manipulation, Target
from perturbations.targets.networks.cyclegan import ResNetGenerator

EDIT: Final = "translate"
"""The default name of the one edit."""
STEM: Final = 4
"""Layers of the first stage: padding, convolution, norm, activation."""
STAGE: Final = 3
"""Layers of a stage that changes the resolution."""
MAX_BLOCKS: Final = 64
_RUNNING: Final = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


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
            raise ValueError(f"a CycleGAN makes one translation: give a list of one name, not {edits!r}")
        if image_size % 4 or image_size < 16:
            raise ValueError(f"image_size must be a multiple of 4, at least 16, got {image_size}")
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


def _official(name: str) -> str:
    """``model.10.block.1.weight`` as the official releases call it."""
    return re.sub(r"^(model\.\d+)\.block\.(?=\d+\.)", r"\1.conv_block.", name)
