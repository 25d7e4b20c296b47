"""The training runs of the two networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from perturbations.errors import BadCheckpoint
from perturbations.lab.surrogates.resumable import CHECKPOINT, ResumableRun
from perturbations.lab.synthesis.decoder import Decoder
from perturbations.lab.synthesis.recipe import DrawingRecipe
from perturbations.lab.synthesis.small import SmallFaces
from perturbations.lab.synthesis.upscaler import Upscaler, Upscaling


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTraining:
    """What fixes a run. ``network`` is ``small`` or ``upscaler``."""

    network: str
    width: int
    seed: int = 0
    steps: int = 12_000


def small_run(
    config: SynthesisTraining, folder: Path, *, device: torch.device
) -> ResumableRun[SynthesisTraining, SmallFaces]:
    """A run of the decoder, or the one ``folder`` holds.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def make(step: int) -> SmallFaces:
        del step
        return SmallFaces(width=config.width, seed=config.seed, device=device)

    return ResumableRun(config, make, folder, device=device)


def upscaler_run(
    config: SynthesisTraining, folder: Path, *, device: torch.device, small: Decoder | None = None
) -> ResumableRun[SynthesisTraining, Upscaling]:
    """A run of the upscaler, or the one ``folder`` holds; from now on with faces of ``small`` if given.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def make(step: int) -> Upscaling:
        del step
        return Upscaling(width=config.width, seed=config.seed, device=device, small=small)

    return ResumableRun(config, make, folder, device=device)


def trained_small(folder: Path) -> SmallFaces:
    """The decoder's training as ``folder`` holds it, on the CPU.

    Raises:
        BadCheckpoint: there is none.
    """
    config = _config(folder, "small")
    return small_run(config, folder, device=torch.device("cpu")).recipe


def trained_upscaler(folder: Path) -> Upscaler:
    """The upscaler with averaged weights as ``folder`` holds it, frozen, on the CPU.

    Raises:
        BadCheckpoint: there is none.
    """
    config = _config(folder, "upscaler")
    return upscaler_run(config, folder, device=torch.device("cpu")).recipe.averaged()


def _config(folder: Path, network: str) -> SynthesisTraining:
    path = folder / CHECKPOINT
    if not path.exists():
        raise BadCheckpoint(f"{folder} holds no training; start one with poise faces train {network}")
    config = SynthesisTraining(**torch.load(path, map_location="cpu", weights_only=True)["config"])
    if config.network != network:
        raise BadCheckpoint(f"{folder} holds the training of {config.network}, not of {network}")
    return config


__all__ = ["DrawingRecipe", "SynthesisTraining", "small_run", "trained_small", "trained_upscaler", "upscaler_run"]
