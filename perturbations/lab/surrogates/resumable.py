"""A training in a folder: steps, checkpoints, a curve, exact resumption. The trained thing brings its own step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from perturbations.errors import BadCheckpoint
from perturbations.files import replacing
from perturbations.lab.surrogates.faces import Batch

CHECKPOINT = "checkpoint.pt"


class Config(Protocol):
    """A dataclass that fixes a run; JSON-serialisable."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def steps(self) -> int: ...
    @property
    def seed(self) -> int: ...


class Trainee(Protocol):
    """What is trained. All random draws of a step depend on (seed, step) alone."""

    @property
    def batch_size(self) -> int:
        """Pictures of a step."""
        ...

    def anneal(self, share_done: float) -> None: ...
    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Batches(Protocol):
    """A source of batches; each depends on (seed, step) alone."""

    def batch(self, size: int, *, seed: int, step: int) -> Batch: ...


ConfigT = TypeVar("ConfigT", bound=Config)
TraineeT = TypeVar("TraineeT", bound=Trainee)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    step: int
    steps: int
    seconds: float
    losses: dict[str, float]


class ResumableRun(Generic[ConfigT, TraineeT]):
    """One training run in a folder. Iterating it trains; everything lands in the folder's checkpoint.

    Args:
        make: builds what is trained as it is after a number of steps; a checkpoint's state is loaded into it.

    Raises:
        BadCheckpoint: the folder holds a run of another configuration.
    """

    def __init__(self, config: ConfigT, make: Callable[[int], TraineeT], folder: Path, *, device: torch.device) -> None:
        self.config = config
        self.folder = folder
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        saved = self._saved(device)
        if saved is not None:
            self.step, self.seconds = int(saved["step"]), float(saved["seconds"])
        self.recipe = make(self.step)
        if saved is not None:
            self.recipe.load_state_dict(saved["recipe"])

    def _saved(self, device: torch.device) -> dict[str, Any] | None:
        """The folder's checkpoint, if there is one and this run may continue from it."""
        if not (self.folder / CHECKPOINT).exists():
            return None
        saved: dict[str, Any] = torch.load(self.folder / CHECKPOINT, map_location=device, weights_only=True)
        if not self._goes_on(saved["config"], int(saved["step"])):
            raise BadCheckpoint(f"{self.folder} holds a run with another configuration: {saved['config']}")
        return saved

    def _goes_on(self, before: dict[str, Any], step: int) -> bool:
        """Whether this run may continue from ``step`` steps of a run configured as ``before``."""
        del step
        # more steps than before is a longer run of the same kind (its learning rate rises again)
        return self._same_but("steps", before)

    def _same_but(self, name: str, before: dict[str, Any]) -> bool:
        """Whether a configuration differs from this one in ``name`` at most."""
        # what the configuration did not have in those days was as it is by default
        return _defaults(self.config) | before | {name: None} == asdict(self.config) | {name: None}

    def prepare(self) -> None:
        """Prepare the trainee for the next step."""
        self.recipe.anneal(self.step / self.config.steps)

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

    def train(self, faces: Batches, *, checkpoint_every: int = 250, until: int | None = None) -> Iterator[Progress]:
        """Train to step ``until`` (by default the last); yields after each; a checkpoint is written before the end."""
        end = self.config.steps if until is None else min(until, self.config.steps)
        with (self.folder / "curve.jsonl").open("a") as curve:
            while self.step < end:
                start = time.perf_counter()
                self.prepare()
                batch = faces.batch(self.recipe.batch_size, seed=self.config.seed, step=self.step)
                losses = self.recipe.step(batch, step=self.step, seed=self.config.seed)
                self.step += 1
                self.seconds += time.perf_counter() - start
                if self.step % checkpoint_every == 0 or self.step == end:
                    self.save()
                if self.step % 10 == 0:
                    curve.write(json.dumps({"step": self.step, **{k: round(v, 4) for k, v in losses.items()}}) + "\n")
                    curve.flush()
                yield Progress(self.step, self.config.steps, self.seconds, losses)


def _defaults(config: Config) -> dict[str, Any]:
    return {field.name: field.default for field in fields(config) if field.default is not MISSING}
