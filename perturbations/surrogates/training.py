"""The training run of a surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from perturbations.surrogates.recipes import Recipe, recipe
from perturbations.surrogates.recipes.latent_editor import on_autoencoder
from perturbations.surrogates.resumable import CHECKPOINT, Progress, ResumableRun
from perturbations.targets.base import Target

__all__ = ["CHECKPOINT", "Progress", "Run", "SurrogateTraining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateTraining:
    """What fixes a run.

    half: the half of the faces it sees (a twin takes the other one), ``None`` for all.
    start: SHA-256 of the surrogate whose weights the generator begins with, ``None`` for random ones.
    autoencoder: SHA-256 of the published autoencoder that an editor alone is trained on, ``None`` for one of our own.
    """

    architecture: str
    image_size: int = 64
    width: int = 32
    seed: int = 0
    half: int | None = None
    steps: int = 2500
    start: str | None = None
    autoencoder: str | None = None


class Run(ResumableRun[SurrogateTraining, Recipe]):
    """One training run of a surrogate in a folder.

    Args:
        start: the surrogate that ``config.start`` names. Its weights are taken over, the discriminator begins anew.
        autoencoder: the one that ``config.autoencoder`` names.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration, or the weights to start with do not fit.
    """

    def __init__(
        self,
        config: SurrogateTraining,
        folder: Path,
        *,
        device: torch.device,
        start: Target | None = None,
        autoencoder: Target | None = None,
    ) -> None:
        kind = recipe(config.architecture) if autoencoder is None else on_autoencoder(autoencoder)
        made = kind(image_size=config.image_size, width=config.width, seed=config.seed, device=device)
        if start is not None:
            made.start_from(start)
        super().__init__(config, made, folder, device=device)
