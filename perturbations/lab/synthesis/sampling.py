"""Draws faces of nobody: the best of many candidates, equally many of each group, none near a training picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from perturbations.data.labels import UtkLabel
from perturbations.errors import BadFaces
from perturbations.faces import Locate, locate
from perturbations.images import RgbArray, resize, to_tensor, to_uint8
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.synthesis.decoder import CODE, Decoder
from perturbations.lab.synthesis.nearness import Nearness, Signature, least_allowed, nearest, signature
from perturbations.lab.synthesis.realness import realness, shrunk, train_judge
from perturbations.lab.synthesis.upscaler import Upscaler

GROUPS: Final = ((False, False), (False, True), (True, False), (True, True))
"""Man, old: as many faces of each."""
YOUNG_AGE: Final = 30
OLD_AGE: Final = 60
"""The age in the name of a face classified as younger, or older, than 45."""
_ENLARGED: Final = 8
"""One in this many candidates, the most realistic ones, is enlarged."""
_BATCH: Final = 64
_JUDGED: Final = 64


@dataclass(frozen=True, slots=True)
class Artist:
    """The networks that draw."""

    decoder: Decoder
    upscaler: Upscaler

    @torch.inference_mode()
    def draw(self, count: int, *, spread: float, seed: int) -> Tensor:
        """Small faces ``[count, 3, 32, 32]`` of codes drawn with standard deviation ``spread``."""
        rng = torch.Generator().manual_seed(seed)
        codes = spread * torch.randn((count, CODE), generator=rng)
        return torch.cat([self.decoder(part).clamp(-1.0, 1.0) for part in codes.split(_BATCH)])

    @torch.inference_mode()
    def enlarge(self, small: Tensor) -> RgbArray:
        """Small faces as they are shipped, ``[count, 128, 128, 3]``."""
        return np.concatenate([to_uint8(self.upscaler(part)) for part in small.split(_BATCH)])


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face of nobody ``[128, 128, 3]`` with the label the classifier predicts for it."""

    image: RgbArray
    label: UtkLabel


def draw_faces(
    artist: Artist,
    judge: AttributeClassifier,
    *,
    photos: RgbArray,
    training: list[Signature],
    people: Nearness,
    count: int = 256,
    candidates: int = 16_384,
    spread: float = 0.8,
    judging_steps: int = 1500,
    seed: int = 0,
    locator: Locate = locate,
    progress: Callable[[int, int], None] | None = None,
) -> list[DrawnFace]:
    """``count`` faces, a quarter of each group, best first within a group.

    Args:
        judge: labels the faces, and says how near two are.
        photos: training pictures ``[N, S, S, 3]``. The best face is hard to tell from one, and like somebody in its
            features (Kynkäänniemi et al., NeurIPS 2019, "realism"): a face that fell apart is like nobody.
        training: signatures of the training pictures, as they are and mirrored.
        people: the distances of training pictures to their nearest others; a face nearer to one than 99 % of those,
            or to another drawn face, is left out.
        candidates: how many are drawn to choose from.
        judging_steps: how long the judge of realness learns.
        spread: standard deviation of the codes; below 1, faces are more usual and better drawn.
        locator: decides whether a picture shows one face.

    Raises:
        BadFaces: too few candidates are left in a group.
    """
    examples = artist.draw(candidates // 2, spread=spread, seed=2 * seed)
    critic = train_judge(shrunk(photos), examples, steps=judging_steps, seed=seed, progress=progress)
    small = artist.draw(candidates, spread=spread, seed=2 * seed + 1)
    real = realness(critic, small).argsort(descending=True)[: candidates // _ENLARGED]
    images = artist.enlarge(small[real])
    attributes = _attributes(judge, images)
    own = signature(judge, images)
    to_training = nearest(own, training)
    limits = least_allowed(people.features), least_allowed(people.pixels)
    allowed = (to_training.features >= limits[0]) & (to_training.pixels >= limits[1])
    rows = choose(
        attributes,
        -_rank(to_training.features) - torch.arange(len(images)),
        own,
        allowed=allowed,
        is_face=lambda row: is_one_face(images[row], locator=locator),
        limits=limits,
        count=count,
    )
    return [DrawnFace(images[row], _label(attributes[row])) for row in rows]


def choose(
    attributes: Tensor,
    quality: Tensor,
    own: Signature,
    *,
    allowed: Tensor,
    is_face: Callable[[int], bool],
    limits: tuple[float, float],
    count: int,
) -> list[int]:
    """Rows of the candidates that are kept, the best first within each group.

    Args:
        attributes: ``[N, 2]`` of bool. quality: ``[N]``. own: signatures of all.
        allowed: ``[N]`` of bool.
        is_face: whether a row shows one; slow, so asked last, and only for rows that would be kept.
        limits: least distances between two that are kept, of features and of pixels.

    Raises:
        BadFaces: too few are left in a group.
    """
    chosen: list[int] = []
    quarter = count // len(GROUPS)
    for group in GROUPS:
        rows = torch.nonzero(allowed & (attributes == torch.tensor(group)).all(dim=1)).flatten()
        ranked = rows[torch.argsort(quality[rows], descending=True)]
        full = len(chosen) + quarter
        for row in ranked.tolist():
            if len(chosen) == full:
                break
            if _apart(own, row, chosen, limits) and is_face(row):
                chosen.append(row)
        if len(chosen) < full:
            raise BadFaces(
                f"of {len(attributes)} candidates, {quarter + len(chosen) - full} are usable as "
                f"man={group[0]}, old={group[1]}, and {quarter} are needed; draw more candidates, or train longer"
            )
    return chosen


@torch.inference_mode()
def _attributes(judge: AttributeClassifier, images: RgbArray) -> Tensor:
    parts = (images[i : i + _BATCH] for i in range(0, len(images), _BATCH))
    return torch.cat([judge(resize(to_tensor(part), _JUDGED)) > 0 for part in parts])


def is_one_face(image: RgbArray, *, locator: Locate = locate) -> bool:
    """Whether the locator finds one face in ``[S, S, 3]``, and it fills the picture as a chip's does."""
    side = int(image.shape[0])
    edge = side // 2  # the locator needs room around a tight chip
    faces = locator(np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge")).faces
    if len(faces) != 1:
        return False
    (face,) = faces
    across = abs(face.x + face.width / 2 - side) / side
    return 0.7 < face.width / side < 1.4 and across < 0.15


def _rank(values: Tensor) -> Tensor:
    """``[N]``: 0 for the smallest value, 1 for the next."""
    return values.argsort().argsort()


def _apart(own: Signature, row: int, chosen: list[int], limits: tuple[float, float]) -> bool:
    features = 1.0 - own.features[chosen] @ own.features[row]
    pixels = (own.pixels[chosen] - own.pixels[row]).square().mean(dim=1).sqrt()
    apart: Tensor = (features >= limits[0]) & (pixels >= limits[1])
    return bool(apart.all())


def _label(attributes: Tensor) -> UtkLabel:
    man, old = attributes.tolist()
    return UtkLabel(age=OLD_AGE if old else YOUNG_AGE, man=bool(man))


def names_of(faces: list[DrawnFace]) -> Iterator[str]:
    """File names that carry the predicted labels as UTKFace names do: ``age_gender_x_number.webp``."""
    for index, face in enumerate(faces):
        yield f"{face.label.age}_{0 if face.label.man else 1}_x_synthetic{index:03d}.webp"
