"""The configuration of a training, and the presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from perturbations.bounds import Linf
from perturbations.errors import UnknownName
from perturbations.training.spectrum import Spectrum
from perturbations.training.transforms import transform

SIDE: Final = 256
"""δ is stored and trained at this resolution, ``[1, 3, 256, 256]``."""

OBJECTIVES: Final = ("frame", "mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Hyper-parameters of one training; see the design's equations in ``loop``.

    tap_weight: λ, the share of the tap's loss. Published relatives use 0.3 on taps as they are; see
        ``docs/log/2026-11-23-tap-scale.md``.
    step_size: α at the first step, in units of [-1, 1]; it falls linearly towards final_step times that. It is the root
        mean square of a step.
    objective: ``frame``, the squared error of the whole output, as published; or ``mask``, that of the pixels the edit
        changes, which is what effect is measured in.
    saturation: in units of that squared error; a face far beyond it hardly counts more. ``None``: no saturation.
    edit_temperature: of the equilibrium among the edits of one target; ``None``: all weigh the same.
    images: how many faces are sampled.
    draws: into how many parts a batch is split, each with its own edit and transform. None is drawn again before its
        list is used up.
    transforms: what may be drawn, each name as often as it is listed.
    transform_temperature: the lower, the more often transforms are drawn after which little is interrupted; ``None``:
        all in turn.
    start_size: how large δ may be at first, as a part of epsilon. start_cycles: it starts without frequencies above
        this, in cycles per crop; ``None``: it starts as white noise.
    rms: the largest root mean square of δ, as a part of epsilon. Steps then follow the gradient and not its signs, so
        that δ is large only where that helps. ``None``: it may be as large as epsilon everywhere.
    band: the frequencies δ may have in luma, in cycles per crop. chroma_cycles: the highest it may have in chroma;
        ``None``: as in luma.
    weighting_options: hyper-parameters of the weighting by name, in place of its defaults.

    Raises:
        ValueError: a number is out of range.
        UnknownName: a transform or the objective does not exist.
    """

    weighting: str = "aef"
    epsilon: float = 0.05
    steps: int = 480
    images: int = 128
    batch_size: int = 8
    draws: int = 1
    step_size: float = 1e-3
    final_step: float = 1.0
    objective: str = "frame"
    saturation: float | None = None
    edit_temperature: float | None = None
    momentum: float = 0.8
    tap_weight: float = 0.02
    transforms: tuple[str, ...] = ("none",)
    transform_temperature: float | None = None
    start_size: float = 1.0
    start_cycles: float | None = None
    rms: float | None = None
    band: tuple[float, float | None] = (0.0, None)
    chroma_cycles: float | None = None
    weighting_options: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        Linf(self.epsilon)
        for name in self.transforms:
            transform(name)
        if self.objective not in OBJECTIVES:
            raise UnknownName("objective", self.objective, OBJECTIVES)
        if min(self.steps, self.images, self.batch_size) < 1 or not self.transforms:
            raise ValueError("steps, images, batch_size and transforms must not be empty or zero")
        if not (self.step_size > 0 and 0 <= self.momentum < 1 and 0 <= self.tap_weight <= 1):
            raise ValueError("step_size must be positive, momentum in [0, 1), tap_weight in [0, 1]")
        if not 1 <= self.draws <= self.batch_size:
            raise ValueError("draws must lie in [1, batch_size]")
        for name in ("edit_temperature", "transform_temperature", "start_cycles"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive or left out")
        if not 0 < self.start_size <= 1:
            raise ValueError("start_size must lie in (0, 1]")
        if not 0 < self.final_step <= 1 or (self.saturation is not None and not self.saturation > 0):
            raise ValueError("final_step must lie in (0, 1], saturation must be positive or left out")
        self._check_limits()

    def _check_limits(self) -> None:
        """Check what δ is confined to besides its bound."""
        Spectrum(*self.band, chroma=self.chroma_cycles)
        if self.rms is not None and not 0 < self.rms < 1:
            raise ValueError("rms must lie between 0 and 1, or be left out")

    def step_size_at(self, step: int) -> float:
        """α of a step, counted from 0."""
        return self.step_size * (1.0 - (1.0 - self.final_step) * step / self.steps)


# Measured: docs/log/2026-11-28-where-it-helps.md, docs/log/2026-11-23-mask-objective.md. The saturation is the success
# threshold: a face that is interrupted needs little more.
_OURS = TrainingConfig(
    step_size=8e-3,
    final_step=0.05,
    objective="mask",
    saturation=0.05,
    edit_temperature=0.15,
    draws=4,
    start_size=0.3,
    rms=0.4,
)

PRESETS: Final = {
    "quick": replace(_OURS, steps=200, images=64, transforms=("none", "jpeg")),
    "full": replace(_OURS, steps=400, images=2000, transforms=("none", "none", "none", "jpeg", "size")),
    # the figures published for AEF and its relatives: 128 images, 30 epochs, batch 8
    "paper": TrainingConfig(),
}


def preset(name: str, *, weighting: str, epsilon: float, seed: int, steps: int | None = None) -> TrainingConfig:
    """A preset with the caller's choices. steps: in place of the preset's.

    Raises:
        UnknownName: no preset of that name.
        ValueError: a number is out of range.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    chosen = PRESETS[name]
    return replace(
        chosen, weighting=weighting, epsilon=epsilon, seed=seed, steps=chosen.steps if steps is None else steps
    )
