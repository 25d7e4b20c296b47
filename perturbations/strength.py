"""How much of a perturbation is added: the less, the less it is seen and does.

``standard`` adds all of δ, ``subtle`` a part of it, and ``strong`` more, held inside the bound again; docs/strength.md
has the figures. A version may name bands of detail instead, in its sidecar, as ``"strengths": {"standard": {"low": 30,
"high": 52, "gain": 1.4}}``: then that band, amplified, is what is added. It helps where δ was trained without a limit
on its root mean square: most of such a δ disturbs no generator and is only seen. An earlier version,
``aef-scaled-1df4e9a9``, is such a one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor

from perturbations.bounds import Linf
from perturbations.errors import UnknownName

Strength = Literal["subtle", "standard", "strong"]
"""What a caller may ask for."""
STRENGTHS: Final[tuple[Strength, ...]] = get_args(Strength)
_SOFT: Final = 1.5
"""Width of the band's edges, in cycles."""


@dataclass(frozen=True, slots=True)
class Band:
    """What is kept of δ.

    low, high: in cycles per crop. gain: factor of it. large: another factor, for faces of 256 pixels and more: what
    resizing takes away is put back on smaller ones, but not on these. grey: another factor, for those smaller ones
    in grey photos, which take nothing but luma and hide more of it.
    """

    low: float
    high: float
    gain: float
    large: float = 1.0
    grey: float = 1.0

    def of(self, delta: Tensor, epsilon: float, *, large: bool, grey: bool = False) -> Tensor:
        """The band of ``delta [B, C, H, W]``, inside the bound; what is the same everywhere stays."""
        down, across = (torch.fft.fftfreq(side, d=1.0 / side) for side in delta.shape[-2:])
        cycles = (down[:, None].square() + across.square()).sqrt()
        kept = torch.sigmoid((self.high - cycles) / _SOFT) * torch.sigmoid((cycles - self.low) / _SOFT)
        kept *= self.gain * (self.large if large else self.grey if grey else 1.0)
        kept[0, 0] = 1.0
        return Linf(epsilon).project(torch.fft.ifft2(torch.fft.fft2(delta) * kept).real)


_ALL: Final = (-math.inf, math.inf)
WHOLE: Final[Mapping[Strength, Band]] = {
    "subtle": Band(*_ALL, 0.6),
    "standard": Band(*_ALL, 1.0),
    "strong": Band(*_ALL, 1.5),
}
"""Of a version that names no band."""


def strength_of(name: str) -> Strength:
    """The strength called ``name``.

    Raises:
        UnknownName: there is none.
    """
    for strength in STRENGTHS:
        if strength == name:
            return strength
    raise UnknownName("strength", name, STRENGTHS)


def band_of(strength: Strength, sidecar: Mapping[str, Any]) -> Band:
    """The band of a version at this strength: what its sidecar says, else all of δ."""
    said = sidecar.get("strengths", {}).get(strength)
    return WHOLE[strength] if said is None else Band(**{name: float(value) for name, value in said.items()})
