"""Trains the judge, which looks closely at what the detector found: is it a face, and where exactly?

It learns from the detector's own finds in scenes twice as large, so that it sees more of each than the detector did.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.faces.learned import Boxes, likeness, merged, read_cells
from perturbations.images import RgbArray, to_tensor
from perturbations.lab.detector.averaged import Averaged
from perturbations.lab.detector.network import JUDGED, JUDGED_FACE, Detector, Judge
from perturbations.lab.detector.scenes import Composer, Scene

TIMES: Final = 2
SCENES: Final = 10
"""Scenes of a step."""
FINDS: Final = 5
"""Finds judged in each, the surest; and beside them every face, a little displaced."""
LEAST: Final = -1.0
"""Least logit of a find."""
FACE: Final = 0.45
"""A find is a face if it shares so large a part with one, and none if it shares less than the next."""
NO_FACE: Final = 0.3
RATE: Final = 2e-3
SAVED_EVERY: Final = 250

log = logging.getLogger(__name__)


class Judging:
    """The training of a judge of what ``detector`` finds."""

    def __init__(self, composer: Composer, detector: Detector, *, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.composer, self.detector, self.steps, self.seed = composer, detector.eval(), steps, seed
        self.trained = Averaged(Judge(), rate=RATE)

    def run(self, checkpoint: Path) -> Iterator[float]:
        """Go on to the end; yields the mean loss since the last checkpoint at every checkpoint."""
        self.trained.resume(checkpoint)
        losses = []
        while self.trained.step < self.steps:
            losses.append(self._once())
            if self.trained.step % SAVED_EVERY == 0 or self.trained.step == self.steps:
                self.trained.save(checkpoint)
                log.info("judge, step %d: loss %.4f", self.trained.step, float(np.mean(losses)))
                yield float(np.mean(losses))
                losses = []

    def _once(self) -> float:
        step = self.trained.step
        generator = np.random.default_rng([self.seed, step])
        scenes = [self.composer.scene(generator) for _ in range(SCENES)]
        views, wanted = zip(
            *(one for scene, finds in zip(scenes, self._finds(scenes), strict=True)
              for one in _judged(scene, finds, generator)),
            strict=True,
        )  # fmt: skip
        pictures = to_tensor(np.stack(views)).to(memory_format=torch.channels_last)
        rate = RATE * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / self.steps)) + 1e-5
        return self.trained.learn(lambda judge: _loss(judge(pictures)[:, :, 0, 0], torch.tensor(wanted)), rate)

    @torch.inference_mode()
    def _finds(self, scenes: list[Scene]) -> list[Boxes]:
        """What the detector finds in each scene, in pixels of the scene."""
        small = [cv2.resize(s.pixels, None, fx=1 / TIMES, fy=1 / TIMES, interpolation=cv2.INTER_AREA) for s in scenes]
        pictures = to_tensor(np.stack(small).astype(np.uint8)).to(memory_format=torch.channels_last)
        found = []
        for cells in self.detector(pictures).numpy():
            boxes = merged(read_cells(cells, LEAST))[:FINDS]
            boxes[:, :2] = (boxes[:, :2] + 0.5) * TIMES - 0.5
            boxes[:, 2] *= TIMES
            found.append(boxes)
        return found


def _judged(
    scene: Scene, finds: Boxes, generator: np.random.Generator
) -> Iterator[tuple[RgbArray, tuple[float, float, float, float]]]:
    """Views of the finds and of the faces, each with what the judge should say: -1 for a logit that is open."""
    side = scene.pixels.shape[0]
    faces = np.array([(*face, 0.0) for face in scene.faces], dtype=np.float64).reshape(-1, 4)
    moved = faces + generator.normal(0, 0.1, faces.shape) * faces[:, 2:3]
    moved[:, 2] = faces[:, 2] * np.exp(generator.normal(0, 0.2, len(faces)))
    boxes = np.concatenate([finds, moved, [[*generator.uniform(0, side, 2), generator.uniform(30, 76), 0.0]]])
    for box in boxes:
        shared = likeness(box, faces)
        best = int(shared.argmax()) if len(faces) else -1
        view = look(scene.pixels, box, 1.0, mirrored=False)
        if best < 0 or shared[best] < NO_FACE:
            yield view, (0.0, 0.0, 0.0, 0.0)
            continue
        x, y, size, _ = faces[best]
        open_ = shared[best] < FACE or _visible(x, size, side) * _visible(y, size, side) < 0.55
        place = ((x - box[0]) / box[2], (y - box[1]) / box[2], math.log(size / box[2]))
        yield view, (-1.0 if open_ else 1.0, *place)


def look(picture: RgbArray, box: Boxes, share: float, *, mirrored: bool) -> RgbArray:
    """A find in the middle of a picture of its own; ``box`` is in pixels of a picture of which this is a ``share``."""
    scale = JUDGED_FACE / (box[2] * share)
    x, y = ((float(value) + 0.5) * share - 0.5 for value in box[:2])
    middle, way = (JUDGED - 1) / 2, -1 if mirrored else 1
    matrix = np.array([[way * scale, 0, middle - way * scale * x], [0, scale, middle - scale * y]])
    return cv2.warpAffine(picture, matrix, (JUDGED, JUDGED), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def _visible(centre: float, size: float, side: int) -> float:
    return max(0.0, min(centre + size / 2, side) - max(centre - size / 2, 0.0)) / size


def _loss(answer: Tensor, wanted: Tensor) -> Tensor:
    truth = wanted[:, 0]
    known, face = truth >= 0, truth > 0
    judging = F.binary_cross_entropy_with_logits(answer[:, 0][known], truth[known])
    placing = F.smooth_l1_loss(answer[:, 1:][face], wanted[:, 1:][face], beta=0.05) if bool(face.any()) else 0.0
    return judging + placing
