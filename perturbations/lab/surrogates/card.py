"""The model card of a surrogate, written from the records of its training and its measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perturbations.lab.surrogates.stages import Stages

_FRAGILITY = """\
| fragility, random signs of ε 0.05: L2mask, interrupted | {signs_l2:.4f}, {signs_sr:.2%} |
| fragility, clean JPEG of quality 75: L2mask, interrupted | {jpeg_l2:.4f}, {jpeg_sr:.2%} |"""

_TEXT = """# {title}

A compact {architecture} generator ({size}×{size} pixels, width {width}) trained by Poise: {purpose}. {origin}

## Training

- Recipe: {recipe}
- Data: {faces} adult faces of UTKFace ({part}).
  Aligned and cropped chips, mirrored half the time. UTKFace is released for non-commercial research, copyright with the
  owners of the photos: use this file accordingly.
- Time: {minutes:.0f} minutes on {machine}.
- Edits: young or old (from 45 years), man or woman, as labelled by the data set. Such labels are coarse and say nothing
  about how a person sees themself.

## Measured on `utkface-val` ({measured} faces)

| figure | value |
|---|---|
| edit accuracy by the independent classifier: gender, age | {man:.1%}, {old:.1%} |
| accuracy of that classifier on real faces: gender, age | {judge_man:.1%}, {judge_old:.1%} |
| pixels in which an edit differs from the unedited reconstruction | {share:.1%} |
| (face, edit) pairs that are manipulated visibly | {manipulated:.1%} |
| reconstruction, mean absolute difference in [-1, 1] | {l1:.3f} |
{fragility}

## Limits

Small, low-resolution, two attributes. A perturbation that interrupts it interrupts generators like it. Its twin shows
how well that transfers.
"""

PARTS = {0: "the first half", 1: "the second half, which its twin has not seen", None: "all of it"}


def model_card(name: str, card: Mapping[str, Any], *, machine: str) -> str:
    """The card as Markdown.

    Args:
        name: of the surrogate, with ``-twin`` for a twin.
        card: what ``poise targets train`` writes as ``card.json``, measured.
        machine: what it was trained on, in words.

    Raises:
        KeyError: the card holds no measurement.
    """
    metrics, judge = card["metrics"], card["classifier_accuracy"]
    return _TEXT.format(
        **shared(name, card, machine=machine),
        origin=origin(card["training"].get("autoencoder")),
        man=metrics["edit_accuracy"]["man"],
        old=metrics["edit_accuracy"]["old"],
        judge_man=judge["man"],
        judge_old=judge["old"],
    )


def shared(name: str, card: Mapping[str, Any], *, machine: str) -> dict[str, Any]:
    """The part of the card that all surrogates share."""
    training, metrics = card["training"], card["metrics"]
    half = "" if training["half"] is None else f" --half {training['half']}"
    return {
        "title": name,
        "purpose": "to measure with, never to train on" if name.endswith("-twin") else "to train perturbations on",
        "architecture": training["architecture"],
        "size": Stages.parse(training["stages"])[-1].size,
        "width": training["width"],
        "recipe": (
            f"`poise targets train {training['architecture']} --stages {training['stages']} "
            f"--width {training['width']} --seed {training['seed']}{half}`{started(training.get('start'))}"
        ),
        "faces": card["faces"],
        "part": PARTS[training["half"]],
        "minutes": card["seconds"] / 60,
        "machine": machine,
        "measured": metrics["faces"],
        "share": metrics["edit_share"],
        "manipulated": metrics["manipulated"],
        "l1": metrics["reconstruction_l1"],
        "fragility": _FRAGILITY.format(
            signs_l2=metrics["random_signs"]["l2_mask"],
            signs_sr=metrics["random_signs"]["success_rate"],
            jpeg_l2=metrics["jpeg75"]["l2_mask"],
            jpeg_sr=metrics["jpeg75"]["success_rate"],
        ),
    }


def started(digest: str | None) -> str:
    """A line about the surrogate a training started from, if any."""
    return "" if digest is None else f"\n  with `--start`, from the weights of the surrogate of SHA-256 `{digest}`"


def origin(autoencoder: str | None) -> str:
    """The origin of the weights. autoencoder: SHA-256 of a published one that is part of the file, if there is one."""
    if autoencoder is None:
        return "It is no official\ncheckpoint and holds nothing of one."
    return (
        "Only its editor\nwas trained: the file holds the published autoencoder of SHA-256\n"
        f"`{autoencoder}`, as it came (`--autoencoder`). Its licence\napplies to this file too."
    )
