"""The training: scenes composed as it goes, an average of the weights kept, and a checkpoint to go on from."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from perturbations.images import to_tensor
from perturbations.lab.detector.network import Detector
from perturbations.lab.detector.scenes import SIDE, Composer, Scene
from perturbations.lab.detector.targets import loss, target

BATCH: Final = 48
RATE: Final = 3e-3
"""The largest learning rate; it rises in the first steps and falls as a cosine."""
WARM: Final = 200
AVERAGE: Final = 0.998
"""The part of the average that stays at every step."""
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
        self.network = Detector().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=1e-4)
        self.step = 0
        self.hard_share = HARD_SHARE
        self.hard: list[Scene] = []

    def run(self, checkpoint: Path) -> Iterator[float]:
        """Go on to the end; yields the mean loss since the last checkpoint at every checkpoint."""
        self._resume(checkpoint)
        losses, since = [], time.process_time()
        while self.step < self.steps:
            losses.append(self._once())
            if self.step % SAVED_EVERY == 0 or self.step == self.steps:
                self._save(checkpoint)
                log.info(
                    "step %d: loss %.4f, %d hard, %.1f s",
                    self.step, float(np.mean(losses)), len(self.hard), time.process_time() - since,
                )  # fmt: skip
                yield float(np.mean(losses))
                losses, since = [], time.process_time()

    def _once(self) -> float:
        generator = np.random.default_rng([self.seed, self.step])
        scenes = self._scenes(generator)
        pictures = to_tensor(np.stack([s.pixels for s in scenes])).to(memory_format=torch.channels_last)
        wanted = torch.from_numpy(np.stack([target(s.faces, SIDE) for s in scenes]))
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        self.network.train()
        far, false = loss(self.network(pictures), wanted)
        self.optimizer.zero_grad(set_to_none=True)
        far.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._keep_hard(scenes, false, generator)
        self._add_to_average()
        self.step += 1
        return float(far.detach())

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
        return RATE * min(1.0, (self.step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * self.step / self.steps)) + 1e-5

    def _add_to_average(self) -> None:
        share = max(1 - AVERAGE, 1 / (self.step + 2))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, share)

    def _save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def _resume(self, path: Path) -> None:
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
