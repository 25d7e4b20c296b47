"""Portrait relighting (Zhou et al., ICCV 2019): the same face under another light.

The official network (``trained_model_03.t7``) is an hourglass over the lightness of CIE Lab. Its bottleneck holds an
estimate of the photo's light in its first channels, which are replaced by the wanted light; colours stay as they are.
It was trained at 512 pixels and takes any multiple of 16. It is run with ``eval()``.

An edit is a light: nine spherical-harmonics coefficients, in the unit of the official light files. The tap is the
bottleneck without the channels that are replaced: what is left of the face there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from perturbations.targets.interface import Layout, Manipulation, Target, check_labels, label_tensor
from perturbations.targets.networks.cielab import lab_of, rgb_of
from perturbations.targets.networks.lights import COEFFICIENTS, NAMED
from perturbations.targets.networks.relighting import LEVELS, RelightingNetwork

STRENGTH: Final = 0.7
"""What the official release multiplies the numbers of a light file by."""
_OUTERMOST: Final = f"HG{LEVELS - 1}."
_MIDDLE: Final = "middle."


class Relighting(Target):
    """Portrait relighting as a target; an edit is a light of nine coefficients."""

    architecture = "relighting"
    paradigm = "portrait relighting"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {"from_right": NAMED["from_right"], "from_left": NAMED["from_left"]},
        "image_size": 32,
        "widths": (4, 4, 4, 6, 10),
        "light_features": 4,
        "light_hidden": 6,
    }
    generator: RelightingNetwork

    def __init__(
        self,
        *,
        edits: Mapping[str, Sequence[float]],
        image_size: int = 256,
        widths: Sequence[int] = (16, 16, 32, 64, 155),
        light_features: int = 27,
        light_hidden: int = 128,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        if image_size % 2**LEVELS or image_size < 2 * 2**LEVELS:
            raise ValueError(f"image_size must be a multiple of {2**LEVELS} above {2**LEVELS}, got {image_size}")
        self.lights = check_labels(edits, COEFFICIENTS)
        self.hyper: dict[str, Any] = {
            "widths": tuple(widths),
            "light_features": light_features,
            "light_hidden": light_hidden,
        }
        self.generator = RelightingNetwork(**self.hyper)
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        lab = lab_of((x + 1) / 2)
        light = label_tensor([STRENGTH * value for value in self.lights[self.known_edit(edit)]], x)
        relit = self.generator((lab[:, :1] / 100).to(x), light[:, :, None, None])
        rgb = rgb_of(torch.cat([100 * relit.lightness.float(), lab[:, 1:]], dim=1))
        return Manipulation((2 * rgb - 1).clamp(-1, 1).to(x), relit.face)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.lights, **self.hyper}

    @classmethod
    def canonical(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Every tensor once. Official files also hold the inner levels, and the light, under other names."""
        if "pre_conv.weight" not in state:
            return state
        return {name: tensor for name, tensor in state.items() if not _repeated(name, tensor, state)}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        shapes, inner = layout.shapes, _OUTERMOST + (LEVELS - 1) * _MIDDLE
        first, light = shapes.get("pre_conv.weight"), shapes.get(f"{inner}middle.predict_FC1.weight")
        if first is None or light is None or first[1:] != (1, 5, 5):
            return None
        levels = [shapes[f"{_OUTERMOST}{level * _MIDDLE}low1.conv1.weight"][0] for level in range(LEVELS)]
        return {
            "image_size": 256,
            "edits": NAMED,
            "widths": (first[0], *levels),
            "light_features": light[1],
            "light_hidden": light[0],
        }

    @classmethod
    def missing_details(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Only the image size: the edits are lights chosen for Poise, which any such network takes."""
        del config
        return ("image_size",)


def _repeated(name: str, tensor: Tensor, state: Mapping[str, Tensor]) -> bool:
    """Whether ``state`` holds the same numbers under the name that begins at the outermost level."""
    begins, _, rest = name.partition(".")
    depth = {f"HG{level}": LEVELS - 1 - level for level in range(LEVELS - 1)} | {"light": LEVELS}
    if begins not in depth:
        return False
    kept = state.get(_OUTERMOST + depth[begins] * _MIDDLE + rest)
    return kept is not None and torch.equal(kept, tensor)
