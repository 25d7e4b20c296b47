"""The training: scenes composed as it goes, an average of the weights kept, and a checkpoint to go on from."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from perturbations.images import to_tensor
from perturbations.lab.detector.averaged import Averaged
from perturbations.lab.detector.network import Detector
from perturbations.lab.detector.scenes import SIDE, Composer, Scene
from perturbations.lab.detector.targets import loss, target

BATCH: Final = 48
RATE: Final = 3e-3
"""The largest learning rate; it rises in the first steps and falls as a cosine."""
WARM: Final = 200
HARD_SHARE: Final = 0.12
"""Scenes of a batch that are earlier ones without faces in which something was found."""
HARD_LOGIT: Final = -1.0
HARD_KEPT: Final = 3000
SAVED_EVERY: Final = 250

log = logging.getLogger(__name__)


class Training:
    """Trains one detector; everything random depends on ``seed`` and the step alone, up to the hard scenes' memory."""

    def __init__(self, composer: Composer, *, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.composer, self.steps, self.seed = composer, steps, seed
        self.trained = Averaged(Detector(), rate=RATE)
        self.hard_share = HARD_SHARE
        self.hard: list[Scene] = []

    def run(self, checkpoint: Path) -> Iterator[float]:
        """Go on to the end; yields the mean loss since the last checkpoint at every checkpoint."""
        self.trained.resume(checkpoint)
        losses = []
        while self.trained.step < self.steps:
            losses.append(self._once())
            if self.trained.step % SAVED_EVERY == 0 or self.trained.step == self.steps:
                self.trained.save(checkpoint)
                log.info("step %d: loss %.4f, %d hard", self.trained.step, float(np.mean(losses)), len(self.hard))
                yield float(np.mean(losses))
                losses = []

    def _once(self) -> float:
        generator = np.random.default_rng([self.seed, self.trained.step])
        scenes = self._scenes(generator)
        pictures = to_tensor(np.stack([s.pixels for s in scenes])).to(memory_format=torch.channels_last)
        wanted = torch.from_numpy(np.stack([target(s.faces, SIDE) for s in scenes]))

        def far(network: Detector) -> Tensor:
            value, false = loss(network(pictures), wanted)
            self._keep_hard(scenes, false, generator)
            return value

        return self.trained.learn(far, self._rate())

    def _scenes(self, generator: np.random.Generator) -> list[Scene]:
        again = min(len(self.hard), round(self.hard_share * BATCH))
        scenes = [self.composer.scene(generator) for _ in range(BATCH - again)]
        return scenes + [self.hard[n] for n in generator.permutation(len(self.hard))[:again]]

    def _keep_hard(self, scenes: list[Scene], false: Tensor, generator: np.random.Generator) -> None:
        found = [s for s, logit in zip(scenes, false.tolist(), strict=True) if not s.faces and logit > HARD_LOGIT]
        for scene in found:
            if any(scene is other for other in self.hard):
                continue
            if len(self.hard) < HARD_KEPT:
                self.hard.append(scene)
            else:
                self.hard[int(generator.integers(HARD_KEPT))] = scene

    def _rate(self) -> float:
        return (
            RATE
            * min(1.0, (self.trained.step + 1) / WARM)
            * 0.5
            * (1 + math.cos(math.pi * self.trained.step / self.steps))
            + 1e-5
        )
