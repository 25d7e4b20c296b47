"""Portrait relighting (Zhou et al., ICCV 2019): the same face under another light.

The official network (``trained_model_03.t7``) is an hourglass over the lightness of CIE Lab. Its bottleneck holds an
estimate of the photo's light in its first channels, which are replaced by the wanted light; colours stay as they are.
It was trained at 512 pixels and takes any multiple of 16. It is run with ``eval()``.

An edit is a light: nine spherical-harmonics coefficients, in the unit of the official light files. The tap is the
bottleneck without the channels that are replaced: what is left of the face there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.targets.interface import Layout, Manipulation, Target, check_labels, label_tensor
from perturbations.targets.networks.cielab import lab_of, rgb_of
from perturbations.targets.networks.lights import COEFFICIENTS, NAMED

STRENGTH: Final = 0.7
"""What the official release multiplies the numbers of a light file by."""
LEVELS: Final = 4
"""How often the hourglass halves the picture."""
_OUTERMOST: Final = f"HG{LEVELS - 1}."
_MIDDLE: Final = "middle."


class Relit(NamedTuple):
    """lightness: ``[B, 1, S, S]`` in [0, 1]; light: ``[B, 9]``, the light the photo was under; face: the bottleneck
    without what is replaced, ``[B, C, S / 16, S / 16]``."""

    lightness: Tensor
    light: Tensor
    face: Tensor


class ResidualBlock(nn.Module):
    """``relu(N(C(relu(N(C(x))))) + C(x))``; at constant width ``+ x``, and the stored shortcut is only carried.

    The norm is over the batch, or over the picture and without parameters.
    """

    def __init__(self, n_in: int, n_out: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out) if batch_norm else nn.InstanceNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out) if batch_norm else nn.InstanceNorm2d(n_out)
        self.shortcuts = nn.Conv2d(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        short = x if x.shape[1] == h.shape[1] else self.shortcuts(x)
        return F.relu(self.bn2(self.conv2(h)) + short)


class LightSwap(nn.Module):
    """Reads the light off the first channels of the bottleneck and writes another one there."""

    def __init__(self, *, features: int, hidden: int) -> None:
        super().__init__()
        self.features = features
        self.predict_FC1 = nn.Conv2d(features, hidden, 1, bias=False)
        self.predict_relu1 = nn.PReLU()
        self.predict_FC2 = nn.Conv2d(hidden, COEFFICIENTS, 1, bias=False)
        self.post_FC1 = nn.Conv2d(COEFFICIENTS, hidden, 1, bias=False)
        self.post_relu1 = nn.PReLU()
        self.post_FC2 = nn.Conv2d(hidden, features, 1, bias=False)

    def forward(self, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x[:, : self.features].mean(dim=(2, 3), keepdim=True)
        seen = self.predict_FC2(self.predict_relu1(self.predict_FC1(mean)))
        written = F.relu(self.post_FC2(self.post_relu1(self.post_FC1(wanted))))
        face = x[:, self.features :]
        return torch.cat([written.expand(-1, -1, *x.shape[2:]), face], dim=1), seen, face


class Hourglass(nn.Module):
    """One level: beside a path at full resolution, another at half of it with ``middle`` in it."""

    def __init__(self, n_in: int, n_low: int, middle: nn.Module) -> None:
        super().__init__()
        self.upper = ResidualBlock(n_in, n_in, batch_norm=False)
        self.low1 = ResidualBlock(n_in, n_low, batch_norm=True)
        self.middle = middle
        self.low2 = ResidualBlock(n_low, n_in, batch_norm=False)

    def forward(self, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        low, seen, face = self.middle(self.low1(F.max_pool2d(x, 2)), wanted)
        wide = F.interpolate(self.low2(low), scale_factor=2.0, mode="nearest")
        return self.upper(x) + wide, seen, face


class RelightingNetwork(nn.Module):
    """The official network, which ``widths`` scales: channels at full size, then at every level down to the bottleneck.

    ``forward(lightness [B, 1, S, S] in [0, 1], light [B, 9, 1, 1])``; S is a multiple of 16.
    """

    def __init__(self, *, widths: Sequence[int], light_features: int, light_hidden: int) -> None:
        super().__init__()
        if len(widths) != LEVELS + 1 or not 0 < light_features < widths[-1]:
            raise ValueError(f"an hourglass needs {LEVELS + 1} widths, the last one above that of the light")
        width = widths[0]
        self.pre_conv = nn.Conv2d(1, width, 5, padding=2)
        self.pre_bn = nn.BatchNorm2d(width)
        middle: nn.Module = LightSwap(features=light_features, hidden=light_hidden)
        for n_in, n_low in zip(widths[-2::-1], widths[:0:-1], strict=True):
            middle = Hourglass(n_in, n_low, middle)
        self.HG3 = middle
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn_1 = nn.BatchNorm2d(width)
        self.conv_2 = nn.Conv2d(width, width, 1)
        self.bn_2 = nn.BatchNorm2d(width)
        self.conv_3 = nn.Conv2d(width, width, 1)
        self.bn_3 = nn.BatchNorm2d(width)
        self.output = nn.Conv2d(width, 1, 1)

    def forward(self, lightness: Tensor, light: Tensor) -> Relit:
        h, seen, face = self.HG3(F.relu(self.pre_bn(self.pre_conv(lightness))), light)
        h = F.relu(self.bn_1(self.conv_1(h)))
        h = F.relu(self.bn_2(self.conv_2(h)))
        h = F.relu(self.bn_3(self.conv_3(h)))
        return Relit(torch.sigmoid(self.output(h)), seen.flatten(1), face)


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
        """Every tensor once. Official files also hold the inner levels, and the light, under names of their own."""
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
    def unsaid(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """An edit is a light of our own choice, which any such network takes."""
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
