"""The model card of a face-swap surrogate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perturbations.lab.surrogates.card import shared

_TEXT = """# {title}

A compact SimSwap generator ({size}×{size} pixels, width {width}) with its own identity encoder, trained by Poise:
{purpose}. It is no official checkpoint and holds nothing of one.

## Training

- Recipe: {recipe}
- Data: {faces} adult faces of UTKFace ({part}) and {named} photos of named people (Labeled Faces in the Wild, training
  part), the latter for the identity encoder alone. UTKFace is released for non-commercial research, copyright with the
  owners of the photos, LFW for research: use this file accordingly.
- Time: {minutes:.0f} minutes on {machine}, and {encoder_minutes:.0f} for the identity encoder.
- Edits: `target_woman` and `target_man` put an identity of nobody (drawn around the women's or men's) on the photo;
  `source_woman` and `source_man` put the identity of the photo on a synthetic face of either.

## Measured on `utkface-val` ({measured} faces; identities by an independent encoder)

| figure | value |
|---|---|
| swaps after which the face is more like the source than the target | {swapped:.1%} |
| mean cosine of the swap with source, with target; of source with target | {like_source:.3f}, {like_target:.3f}; \
{strangers:.3f} |
| mean cosine of source-side edits with the photo | {stolen:.3f} |
| pixels in which a swap differs from the unswapped reconstruction | {share:.1%} |
| (face, edit) pairs that are manipulated visibly | {manipulated:.1%} |
| reconstruction, mean absolute difference in [-1, 1] | {l1:.3f} |
{fragility}
| verification AUC of the identity encoder, of the independent one | {auc}, {judge_auc} |

## Limits

Small and of low resolution, and its encoder knows few people. A perturbation that interrupts it interrupts generators
like it. Its twin shows how well that transfers.
"""


def swap_card(name: str, card: Mapping[str, Any], *, machine: str) -> str:
    """The card as Markdown; arguments as of :func:`perturbations.lab.surrogates.card.model_card`.

    Raises:
        KeyError: the card holds no measurement.
    """
    metrics, encoder = card["metrics"], card["identity_encoder"]
    return _TEXT.format(
        **shared(name, card, machine=machine),
        named=encoder["named"],
        encoder_minutes=encoder["seconds"] / 60,
        **{key: metrics[key] for key in ("swapped", "like_source", "like_target", "strangers", "stolen")},
        auc=_figure(card["verification_auc"]["encoder"]),
        judge_auc=_figure(card["verification_auc"]["judge"]),
    )


def _figure(auc: float | None) -> str:
    return "not measured" if auc is None else f"{auc:.3f}"
