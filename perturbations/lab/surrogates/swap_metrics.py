"""How good a face swap is: whose face is it afterwards, does it show, is it robust to harmless changes?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perturbations.bounds import Linf
from perturbations.effect import l2_mask, manipulation_mask
from perturbations.images import compressed, to_tensor, to_uint8
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.metrics import BATCH, JPEG_QUALITY, Fragility, fragility
from perturbations.targets.faceswap import FaceSwap
from perturbations.targets.networks.identity import IdentityEncoder


@dataclass(frozen=True, slots=True)
class SwapMetrics:
    """Figures of a face swap's model card; identities are judged by an encoder that had no part in the swap.

    swapped: share of (target, source) pairs of different faces after whose swap the face is more like the source's than
        like the target's.
    like_source, like_target: mean cosine of the identity of the swap with either; strangers: of source with target.
    stolen: mean cosine of the result of source-side edits with the photo's identity.
    edit_share: share of pixels (sum over RGB of the difference above 0.5) in which a swap differs from the
        reconstruction, which is the swap with the own identity; mean over pairs.
    manipulated: share of (face, edit) pairs whose mask is not empty.
    reconstruction_l1: mean absolute difference of reconstruction and face, in [-1, 1] units.
    random_signs, jpeg75: fragility under random signs of size epsilon and under a clean JPEG of quality 75.
    """

    faces: int
    swapped: float
    like_source: float
    like_target: float
    strangers: float
    stolen: float
    edit_share: float
    manipulated: float
    reconstruction_l1: float
    random_signs: Fragility
    jpeg75: Fragility


@torch.inference_mode()
def measure_swap(
    target: FaceSwap, judge: IdentityEncoder, faces: LabelledFaces, *, epsilon: float = 0.05
) -> SwapMetrics:
    """Measure on faces at the target's resolution; each is swapped with the next in a seeded order.

    Raises:
        ValueError: the target carries no identity encoder, or there are fewer than two faces.
    """
    if len(faces) < 2:
        raise ValueError("a swap takes two faces")
    order = np.random.default_rng(0).permutation(len(faces))
    rng, bound = torch.Generator().manual_seed(0), Linf(epsilon)
    rows: dict[str, list[Tensor]] = {}

    def note(**figures: Tensor) -> None:
        for name, values in figures.items():
            rows.setdefault(name, []).append(values)

    for start in range(0, len(order), BATCH):
        here = order[start : start + BATCH]
        images = faces.images[here]
        x = to_tensor(images)
        source = to_tensor(faces.images[np.roll(order, -1)[start : start + BATCH]])
        own, other = target.read_identity(x), target.read_identity(source)
        kept, swap = (target.generator((x + 1) / 2, identity) * 2 - 1 for identity in (own, other))
        after, from_source, from_target = judge(swap), judge(source), judge(x)
        note(
            source=(after * from_source).sum(dim=1),
            target=(after * from_target).sum(dim=1),
            strangers=(from_source * from_target).sum(dim=1),
            l1=(kept - x).abs().mean(dim=(1, 2, 3)),
            share=manipulation_mask(kept, swap).float().mean(dim=(1, 2, 3)),
        )
        noisy = to_tensor(to_uint8((x + bound.signs(tuple(x.shape), rng)).clamp(-1.0, 1.0)))
        after_jpeg = to_tensor(np.stack([compressed(image, "JPEG", JPEG_QUALITY) for image in images]))
        for edit in target.edits:
            reference, clean = target.mask_reference(x, edit), target(x, edit)
            note(
                signs=l2_mask(reference, clean, target(noisy, edit)),
                jpeg=l2_mask(reference, clean, target(after_jpeg, edit)),
            )
            if target.steals_identity(edit):
                note(stolen=(judge(clean) * from_target).sum(dim=1))
    seen = {name: torch.cat(values) for name, values in rows.items()}
    return SwapMetrics(
        faces=len(faces),
        swapped=float((seen["source"] > seen["target"]).float().mean()),
        like_source=float(seen["source"].mean()),
        like_target=float(seen["target"].mean()),
        strangers=float(seen["strangers"].mean()),
        stolen=float(seen["stolen"].mean()) if "stolen" in seen else 0.0,
        edit_share=float(seen["share"].mean()),
        manipulated=float((~seen["signs"].isnan()).float().mean()),
        reconstruction_l1=float(seen["l1"].mean()),
        random_signs=fragility(seen["signs"]),
        jpeg75=fragility(seen["jpeg"]),
    )
