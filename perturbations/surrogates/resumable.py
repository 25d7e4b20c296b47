"""A training in a folder: steps, checkpoints, a curve, exact resumption. What is trained brings its own step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from perturbations.errors import BadCheckpoint
from perturbations.files import replacing
from perturbations.surrogates.faces import Batch

CHECKPOINT = "checkpoint.pt"


class Config(Protocol):
    """A dataclass that fixes a run; JSON-serialisable."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...


class Trainee(Protocol):
    """What is trained. Whatever a step draws depends on (seed, step) alone."""

    @property
    def batch_size(self) -> int: ...
    def anneal(self, share_done: float) -> None: ...
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Batches(Protocol):
    """Where batches come from; each depends on (seed, step) alone."""

    def batch(self, size: int, *, seed: int, step: int) -> Batch: ...


ConfigT = TypeVar("ConfigT", bound=Config)
TraineeT = TypeVar("TraineeT", bound=Trainee)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    step: int
    steps: int
    seconds: float
    losses: dict[str, float]


class ResumableRun(Generic[ConfigT, TraineeT]):
    """One training run in a folder. Iterating it trains; everything lands in the folder's checkpoint.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def __init__(self, config: ConfigT, recipe: TraineeT, folder: Path, *, device: torch.device) -> None:
        self.config = config
        self.recipe = recipe
        self.folder = folder
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._resume(device)

    def _resume(self, device: torch.device) -> None:
        saved: dict[str, Any] = torch.load(self.folder / CHECKPOINT, map_location=device, weights_only=True)
        # more steps than before is a longer run of the same kind (its learning rate rises again), all else another;
        # what the configuration did not have in those days was as it is by default
        asked, before = asdict(self.config), _defaults(self.config) | saved["config"]
        if before | {"steps": 0} != asked | {"steps": 0}:
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

    def train(self, faces: Batches, *, checkpoint_every: int = 250) -> Iterator[Progress]:
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


def _defaults(config: Config) -> dict[str, Any]:
    return {field.name: field.default for field in fields(config) if field.default is not MISSING}
