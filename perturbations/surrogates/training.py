"""The training loop of a surrogate: steps, checkpoints, exact resumption."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from perturbations.errors import BadCheckpoint
from perturbations.files import replacing
from perturbations.surrogates.faces import LabelledFaces
from perturbations.surrogates.recipes import Recipe, recipe

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateTraining:
    """What fixes a run. ``half`` is the half of the faces it sees (a twin takes the other one), ``None`` for all."""

    architecture: str
    image_size: int = 64
    width: int = 32
    seed: int = 0
    half: int | None = None
    steps: int = 2500


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    step: int
    steps: int
    seconds: float
    losses: dict[str, float]


class Run:
    """One training run in a folder. Iterating it trains; everything lands in the folder's checkpoint.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def __init__(self, config: SurrogateTraining, folder: Path, *, device: torch.device) -> None:
        self.config = config
        self.folder = folder
        self.step = 0
        self.seconds = 0.0
        self.recipe: Recipe = recipe(config.architecture)(
            image_size=config.image_size, width=config.width, seed=config.seed, device=device
        )
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._resume(device)

    def _resume(self, device: torch.device) -> None:
        saved: dict[str, Any] = torch.load(self.folder / CHECKPOINT, map_location=device, weights_only=True)
        # more steps than before is a longer run of the same kind (its learning rate rises again), all else another
        if {k: v for k, v in saved["config"].items() if k != "steps"} != {
            k: v for k, v in asdict(self.config).items() if k != "steps"
        }:
            raise BadCheckpoint(f"{self.folder} holds a run with another configuration: {saved['config']}")
        self.recipe.load_state_dict(saved["recipe"])
        self.step, self.seconds = int(saved["step"]), float(saved["seconds"])

    def save(self) -> None:
        """Write the checkpoint; a crash while writing leaves the previous one."""
        state = {
            "config": asdict(self.config),
            "recipe": self.recipe.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with replacing(self.folder / CHECKPOINT) as partial:
            torch.save(state, partial)

    def train(self, faces: LabelledFaces, *, checkpoint_every: int = 250) -> Iterator[Progress]:
        """Train to ``config.steps``; yields after every step; the last checkpoint is written before the end."""
        with (self.folder / "curve.jsonl").open("a") as curve:
            while self.step < self.config.steps:
                start = time.perf_counter()
                batch = faces.batch(self.recipe.batch_size, seed=self.config.seed, step=self.step)
                self.recipe.anneal(self.step / self.config.steps)
                losses = self.recipe.step(batch, step=self.step, seed=self.config.seed)
                self.step += 1
                self.seconds += time.perf_counter() - start
                if self.step % checkpoint_every == 0 or self.step == self.config.steps:
                    self.save()
                if self.step % 10 == 0:
                    curve.write(json.dumps({"step": self.step, **{k: round(v, 4) for k, v in losses.items()}}) + "\n")
                    curve.flush()
                yield Progress(self.step, self.config.steps, self.seconds, losses)
