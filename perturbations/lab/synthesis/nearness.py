"""Is a drawn face somebody's photo? Compares how near it is to the training pictures, and these to each other.

Two distances: between features of the attribute classifier (its penultimate layer, cosine distance in [0, 2]), which
see a face, and between pixels (root mean square at 32×32, in [-1, 1] units), which see a picture. Both compare with
every training picture as it is and mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.images import RgbArray, resize, to_tensor
from perturbations.lab.surrogates.networks import AttributeClassifier

SAME_PICTURE: Final = 0.03
"""Pictures nearer than this in pixels are one picture saved twice; data sets hold a few."""
SEEN: Final = 2048
"""Training pictures whose nearest others show how alike different people are."""
_JUDGED: Final = 64
_COMPARED: Final = 32
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Signature:
    """The data to compare. features: ``[N, F]`` of unit length; pixels: ``[N, 3 * 32 * 32]``."""

    features: Tensor
    pixels: Tensor

    def first(self, count: int) -> Signature:
        """Of the first ``count`` faces."""
        return Signature(self.features[:count], self.pixels[:count])


@dataclass(frozen=True, slots=True)
class Nearness:
    """For every face the distance to its nearest other: ``[N]`` each."""

    features: Tensor
    pixels: Tensor


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of distances."""

    least: float
    percent_1: float
    percent_5: float
    median: float


@dataclass(frozen=True, slots=True)
class NearnessReport:
    """Drawn faces against training pictures (``drawn``), and those against each other (``people``).

    nearer_features, nearer_pixels: share of drawn faces nearer to a training picture than 99 % of the people are to
    the person most like them.
    """

    drawn_features: Spread
    people_features: Spread
    drawn_pixels: Spread
    people_pixels: Spread
    nearer_features: float
    nearer_pixels: float
    faces: int
    training_pictures: int


@torch.inference_mode()
def signature(judge: AttributeClassifier, images: RgbArray, *, mirrored: bool = False) -> Signature:
    """Of faces ``[N, S, S, 3]``."""
    features, pixels = [], []
    for start in range(0, len(images), _BATCH):
        x = to_tensor(images[start : start + _BATCH])
        x = x.flip(-1) if mirrored else x
        features.append(F.normalize(judge.main(resize(x, _JUDGED))))
        pixels.append(resize(x, _COMPARED).flatten(1))
    return Signature(torch.cat(features), torch.cat(pixels))


def nearest(faces: Signature, others: Sequence[Signature], *, skip_same: bool = False) -> Nearness:
    """The distance of every face to the nearest of ``others``.

    Args:
        skip_same: skip the face's own picture and copies of it.
    """
    features = torch.full((len(faces.features),), torch.inf)
    pixels = features.clone()
    for start in range(0, len(features), _BATCH):
        rows = slice(start, start + _BATCH)
        for other in others:
            apart = torch.cdist(faces.pixels[rows], other.pixels) / faces.pixels.shape[1] ** 0.5
            alike = 1.0 - faces.features[rows] @ other.features.T
            if skip_same:
                same = apart < SAME_PICTURE
                apart, alike = apart.masked_fill(same, torch.inf), alike.masked_fill(same, torch.inf)
            features[rows] = torch.minimum(features[rows], alike.min(dim=1).values)
            pixels[rows] = torch.minimum(pixels[rows], apart.min(dim=1).values)
    return Nearness(features, pixels)


def compare(drawn: Nearness, people: Nearness, *, training_pictures: int) -> NearnessReport:
    """The report. ``people``: training pictures to their nearest others."""
    return NearnessReport(
        drawn_features=_spread(drawn.features),
        people_features=_spread(people.features),
        drawn_pixels=_spread(drawn.pixels),
        people_pixels=_spread(people.pixels),
        nearer_features=_share_below(drawn.features, least_allowed(people.features)),
        nearer_pixels=_share_below(drawn.pixels, least_allowed(people.pixels)),
        faces=len(drawn.features),
        training_pictures=training_pictures,
    )


def least_allowed(distances: Tensor) -> float:
    """The distance that 99 % of ``distances`` exceed."""
    return float(torch.quantile(distances, 0.01))


def _share_below(distances: Tensor, limit: float) -> float:
    return float((distances < limit).float().mean())


def _spread(distances: Tensor) -> Spread:
    values = np.quantile(distances.numpy(), (0.0, 0.01, 0.05, 0.5))
    return Spread(*(round(float(value), 4) for value in values))
