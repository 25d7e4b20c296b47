"""The training run of a surrogate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from perturbations.lab.surrogates.recipes import Recipe, recipe
from perturbations.lab.surrogates.recipes.latent_editor import on_autoencoder
from perturbations.lab.surrogates.resumable import CHECKPOINT, Batches, Progress, ResumableRun
from perturbations.lab.surrogates.stages import Stages
from perturbations.targets.interface import Target

__all__ = ["CHECKPOINT", "Progress", "Run", "SurrogateTraining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateTraining:
    """The configuration of a run.

    stages: the sizes it grows through, ``SIZE:STEPS,SIZE:STEPS``.
    half: the half of the faces it sees (a twin takes the other one), ``None`` for all.
    start: SHA-256 of the surrogate whose weights the generator begins with, ``None`` for random ones.
    autoencoder: SHA-256 of the published autoencoder that an editor alone is trained on, ``None`` to train one.
    """

    architecture: str
    stages: str = "64:2400,128:700,256:600"
    width: int = 32
    seed: int = 0
    half: int | None = None
    start: str | None = None
    autoencoder: str | None = None

    @property
    def plan(self) -> Stages:
        """The stages, parsed."""
        return Stages.parse(self.stages)

    @property
    def image_size(self) -> int:
        """The size of the last stage."""
        return self.plan[-1].size

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return self.plan.steps


class Run(ResumableRun[SurrogateTraining, Recipe]):
    """One training run of a surrogate in a folder.

    Args:
        start: the surrogate that ``config.start`` names. Its weights are taken over; the discriminator is new.
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
        self.plan = config.plan
        kind = recipe(config.architecture) if autoencoder is None else on_autoencoder(autoencoder)

        def make(step: int) -> Recipe:
            size = self.plan.at(max(step - 1, 0)).stage.size  # of the step that came last
            made = kind(image_size=size, width=config.width, seed=config.seed, device=device)
            if start is not None:
                made.start_from(start)
            return made

        super().__init__(config, make, folder, device=device)

    def prepare(self) -> None:
        place = self.plan.at(self.step)
        if self.recipe.target.image_size != place.stage.size:
            self.recipe = self.recipe.grown(image_size=place.stage.size)
        self.recipe.enter(place)

    def train_stages(
        self, faces_of: Callable[[int], Batches], *, checkpoint_every: int = 100, until: int | None = None
    ) -> Iterator[Progress]:
        """Train through the stages that are left, to step ``until``; ``faces_of`` gives the faces at a size."""
        last = self.config.steps if until is None else until
        end = 0
        for stage in self.plan:
            end = min(end + stage.steps, last)
            if self.step < end:
                yield from self.train(faces_of(stage.size), checkpoint_every=checkpoint_every, until=end)

    def _goes_on(self, before: dict[str, Any], step: int) -> bool:
        same = self._same_but("stages", before)
        return same and self.plan.begin_alike(Stages.parse(before["stages"]), step)
