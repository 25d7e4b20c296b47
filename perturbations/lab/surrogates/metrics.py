"""How good a surrogate is: do its edits succeed and show, does it keep the face, do harmless changes leave it alone?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from perturbations.bounds import Linf
from perturbations.data import ATTRIBUTES
from perturbations.effect import l2_mask, manipulation_mask, success_rate
from perturbations.images import RgbArray, compressed, to_tensor, to_uint8
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.recipes import recipe
from perturbations.targets.interface import Target

BATCH: Final = 64
JPEG_QUALITY: Final = 75


@dataclass(frozen=True, slots=True)
class Fragility:
    """What a harmless change does: mean L2mask and share of interrupted pairs."""

    l2_mask: float
    success_rate: float


@dataclass(frozen=True, slots=True)
class SurrogateMetrics:
    """Figures of a model card.

    edit_accuracy: share of edits whose attribute the independent classifier reads as it should be afterwards, by
        attribute.
    edit_share: share of pixels (sum over RGB of the difference above 0.5) in which an edit differs from the unedited
        reconstruction (of architectures without one: the edit that asks for what the face has); mean over edits that
        change a label.
    manipulated: share of (face, edit) pairs whose mask is not empty.
    reconstruction_l1: mean absolute difference of reconstruction and face, in [-1, 1] units.
    random_signs, jpeg75: fragility under random signs of size epsilon and under a clean JPEG of quality 75.
    """

    faces: int
    edit_accuracy: dict[str, float]
    edit_share: float
    manipulated: float
    reconstruction_l1: float
    random_signs: Fragility
    jpeg75: Fragility


def _batches(faces: LabelledFaces) -> Iterator[tuple[RgbArray, Tensor]]:
    for start in range(0, len(faces), BATCH):
        yield faces.images[start : start + BATCH], faces.labels[start : start + BATCH]


@torch.inference_mode()
def measure(
    target: Target, classifier: AttributeClassifier, faces: LabelledFaces, *, epsilon: float = 0.05
) -> SurrogateMetrics:
    """Measure a surrogate (its edits are those of its recipe) on labelled faces at its resolution."""
    asked = recipe(target.architecture).asked
    names = {labels: edit for edit, labels in asked.items()}
    right = torch.zeros(len(ATTRIBUTES))
    signs_seen: list[Tensor] = []
    jpeg_seen: list[Tensor] = []
    share_sum = share_count = l1_sum = 0.0
    rng = torch.Generator().manual_seed(0)
    bound = Linf(epsilon)
    for images, labels in _batches(faces):
        x = to_tensor(images)
        noisy = to_tensor(to_uint8((x + bound.signs(tuple(x.shape), rng)).clamp(-1.0, 1.0)))
        after_jpeg = to_tensor(np.stack([compressed(image, "JPEG", JPEG_QUALITY) for image in images]))
        outputs = {edit: target(x, edit) for edit in target.edits}
        reconstruction = target.reconstruct(x)
        own = [names[tuple(row)] for row in labels.tolist()]
        if reconstruction is None:
            unedited = torch.stack([outputs[edit][row] for row, edit in enumerate(own)])
        else:
            unedited = reconstruction
        l1_sum += float((unedited - x).abs().mean(dim=(1, 2, 3)).sum())
        for edit, y in outputs.items():
            changed = torch.tensor([edit != mine for mine in own])
            share = manipulation_mask(unedited, y).float().mean(dim=(1, 2, 3))
            share_sum += float(share[changed].sum())
            share_count += int(changed.sum())
            right += ((classifier(y) > 0) == (torch.tensor(asked[edit]) > 0.5)).float().sum(dim=0)
            signs_seen.append(l2_mask(x, y, target(noisy, edit)))
            jpeg_seen.append(l2_mask(x, y, target(after_jpeg, edit)))
    pairs = len(faces) * len(target.edits)
    effects = torch.cat(signs_seen)
    return SurrogateMetrics(
        faces=len(faces),
        edit_accuracy=dict(zip(ATTRIBUTES, (right / pairs).tolist(), strict=True)),
        edit_share=share_sum / max(share_count, 1.0),
        manipulated=float((~effects.isnan()).float().mean()),
        reconstruction_l1=l1_sum / len(faces),
        random_signs=fragility(effects),
        jpeg75=fragility(torch.cat(jpeg_seen)),
    )


def fragility(effects: Tensor) -> Fragility:
    """From L2mask per pair, ``[N]``, NaN if nothing is manipulated."""
    seen = effects[~effects.isnan()]
    if not len(seen):
        return Fragility(0.0, 0.0)
    return Fragility(float(seen.mean()), float(success_rate(seen)))
