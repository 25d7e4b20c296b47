"""The labelled faces that surrogates learn from, decoded once and sampled by (seed, step) alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from perturbations.data import FaceArchive, UtkLabel, open_faces, utk_label
from perturbations.data.labels import ADULT_FROM
from perturbations.errors import BadFaces
from perturbations.images import to_tensor
from perturbations.lab.randomness import Stream, stream

MIN_PER_GROUP = 8


class Batch(NamedTuple):
    """x: ``[B, 3, S, S]`` in [-1, 1]; labels: ``[B, 2]`` in {0, 1}, see ``ATTRIBUTES``."""

    x: Tensor
    labels: Tensor


class LabelledFaces:
    """Adult faces with their attributes, 8 bits in memory.

    Args:
        half: 0 or 1 takes every second picture, so that a surrogate and its twin share none; ``None`` takes all.

    Raises:
        BadFaces: a label group has fewer than eight faces.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        size: int,
        half: int | None = None,
        limit: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        archive = open_faces(paths)
        wanted = _chosen(archive, half)[:limit]
        self.images = np.empty((len(wanted), size, size, 3), np.uint8)
        self.labels = torch.tensor([label.vector for _, label in wanted]).reshape(-1, 2)
        for row, (index, _) in enumerate(wanted):
            self.images[row] = archive.square(index, size)
            if progress is not None:
                progress(row + 1, len(wanted))
        group = (self.labels @ torch.tensor([2.0, 1.0])).long()
        self._groups = [torch.nonzero(group == g).flatten() for g in range(4)]
        if min(map(len, self._groups)) < MIN_PER_GROUP:
            raise BadFaces(
                "at least eight faces each of young and old men and women are needed; "
                "name files age_gender_race_date.jpg, as UTKFace does"
            )

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, size: int, *, seed: int, step: int) -> Batch:
        """A batch with all four label groups equally likely, flipped half the time; depends on (seed, step) alone."""
        rng = stream(Stream.batch, seed, step)
        groups = torch.randint(0, 4, (size,), generator=rng)
        picks = torch.rand(size, generator=rng)
        rows = torch.stack([self._groups[g][int(p * len(self._groups[g]))] for g, p in zip(groups, picks, strict=True)])
        x = to_tensor(self.images[rows.numpy()])
        flip = torch.rand(size, generator=rng) < 0.5
        x[flip] = x[flip].flip(-1)
        return Batch(x, self.labels[rows])


def count_faces(paths: Sequence[str | Path], *, half: int | None = None) -> int:
    """How many faces :class:`LabelledFaces` would read."""
    return len(_chosen(open_faces(paths), half))


def _chosen(archive: FaceArchive, half: int | None) -> list[tuple[int, UtkLabel]]:
    """The adults of an archive with their places in it, in a fixed shuffle: archives are sorted by age."""
    labels = [utk_label(archive.name(index)) for index in range(len(archive))]
    adults = [(i, label) for i, label in enumerate(labels) if label is not None and label.age >= ADULT_FROM]
    shuffled = [adults[i] for i in np.random.default_rng(0).permutation(len(adults))]
    return shuffled if half is None else shuffled[half::2]
