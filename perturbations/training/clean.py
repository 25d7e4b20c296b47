"""What targets make of unchanged faces: computed once per (face, edit), then kept."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from perturbations.precision import autocast
from perturbations.targets.interface import Manipulation, Target

KEPT_BYTES: Final = 1_000_000_000
"""What all targets of a training may keep; a full-size StarGAN's taps take 2.5 MB a face and edit."""


class CleanOutputs:
    """Outputs and taps of one target for untransformed faces, kept in half precision up to ``max_bytes``.

    Beyond that they are computed again whenever they are asked for; results are the same either way.
    """

    def __init__(self, target: Target, *, max_bytes: int = KEPT_BYTES) -> None:
        self.target = target
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def get(self, x: Tensor, indices: list[int], edit: str) -> Manipulation:
        """``x [B, 3, S, S]``: the faces ``indices`` at the target's resolution; each index always names one face."""
        missing = [row for row, index in enumerate(indices) if (index, edit) not in self._kept]
        fresh: dict[int, tuple[Tensor, Tensor]] = {}
        if missing:
            with autocast(x.device):
                made = self.target.manipulate(x[missing], edit)
            # halved before first use, so that a value does not depend on whether it was kept
            for row, output, tap in zip(missing, made.output.half(), made.tap.half(), strict=True):
                fresh[row] = (output, tap)
                size = output.nbytes + tap.nbytes
                if self.bytes + size <= self.max_bytes:
                    self._kept[indices[row], edit] = (output.clone(), tap.clone())
                    self.bytes += size
        rows = [fresh[row] if row in fresh else self._kept[index, edit] for row, index in enumerate(indices)]
        outputs, taps = zip(*rows, strict=True)
        return Manipulation(torch.stack(outputs).float(), torch.stack(taps).float())
