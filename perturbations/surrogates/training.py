"""The training run of a surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from perturbations.surrogates.recipes import Recipe, recipe
from perturbations.surrogates.resumable import CHECKPOINT, Progress, ResumableRun

__all__ = ["CHECKPOINT", "Progress", "Run", "SurrogateTraining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateTraining:
    """What fixes a run. ``half`` is the half of the faces it sees (a twin takes the other one), ``None`` for all."""

    architecture: str
    image_size: int = 64
    width: int = 32
    seed: int = 0
    half: int | None = None
    steps: int = 2500


class Run(ResumableRun[SurrogateTraining, Recipe]):
    """One training run of a surrogate in a folder.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def __init__(self, config: SurrogateTraining, folder: Path, *, device: torch.device) -> None:
        made = recipe(config.architecture)(
            image_size=config.image_size, width=config.width, seed=config.seed, device=device
        )
        super().__init__(config, made, folder, device=device)
