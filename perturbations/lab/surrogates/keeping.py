"""Saves what a surrogate's training produces: its weights, and a card that says how they were made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from perturbations.checkpoints.loading import save_checkpoint
from perturbations.files import replacing
from perturbations.lab.surrogates.identity import encoder_notes
from perturbations.lab.surrogates.training import Run
from perturbations.targets.faceswap import FaceSwap

CARD: Final = "card.json"
ENCODER: Final = "identity.safetensors"
"""The file of a face-swap run's identity encoder."""


def weights(folder: Path, architecture: str) -> Path:
    """The path of a surrogate's weights in its folder."""
    return folder / f"{architecture}.safetensors"


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a folder, empty if there is none yet."""
    path = folder / CARD
    card: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return card


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write the card of a folder."""
    with replacing(folder / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n")


def keep(run: Run, folder: Path, *, faces: int) -> dict[str, Any]:
    """Write the averaged weights of a run as it stands, then a card that says how they were made. Returns the card.

    Args:
        faces: the number it was trained on.
    """
    target = run.recipe.averaged_target().cpu()
    device = run.recipe.device
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    card: dict[str, Any] = {
        "training": asdict(run.config) | {"stages": str(run.plan.upto(target.image_size))},
        "steps": run.step,
        "faces": faces,
        "seconds": round(run.seconds),
        "machine": on,
    }
    if isinstance(target, FaceSwap):
        card["identity_encoder"] = encoder_notes(run.folder / ENCODER)
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(target, weights(folder, run.config.architecture), extra={})
    write_card(folder, card)
    return card
