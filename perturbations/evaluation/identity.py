"""Whether a stolen identity is still recognisable: the other half of protecting the source of a face swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from perturbations.targets.interface import Target

BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class IdentitySimilarity:
    """Mean cosine of the identity in the swap with the identity in the untouched photo.

    before: for swaps given the untouched photo; after: for swaps given the protected copy.
    """

    before: float
    after: float


@torch.inference_mode()
def identity_similarity(
    target: Target, twin: Target | None, originals: Tensor, protected: Sequence[Tensor]
) -> dict[str, IdentitySimilarity]:
    """Similarities for every edit of ``target`` that steals an identity, judged by the twin's encoder.

    That encoder had no part in the swaps. Without a twin, or with one that carries no encoder, nothing is measured.

    Args:
        originals: ``[N, 3, S, S]`` in [-1, 1] at the target's resolution.
        protected: the same faces, in batches of any size.
    """
    reader = None if twin is None else twin.companions.get("identity")
    edits = [edit for edit in target.edits if target.steals_identity(edit)]
    if reader is None or not edits:
        return {}
    copies = torch.cat(list(protected))
    found = {}
    for edit in edits:
        cosines = []
        for start in range(0, len(originals), BATCH):
            x, y = (photos[start : start + BATCH].to(target.device) for photos in (originals, copies))
            real = reader(x)
            cosines.append(torch.stack([(reader(target(z, edit)) * real).sum(dim=1) for z in (x, y)]))
        before, after = torch.cat(cosines, dim=1).mean(dim=1).tolist()
        found[edit] = IdentitySimilarity(before, after)
    return found
