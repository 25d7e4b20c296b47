"""Reading and writing checkpoints: official layouts, Poise's own, and public ones to download."""

from perturbations.checkpoints.loading import (
    CheckpointInfo,
    identify,
    inspect_checkpoint,
    load_checkpoint,
    read_note,
    read_state,
    save_checkpoint,
    sha256,
)

__all__ = [
    "CheckpointInfo",
    "identify",
    "inspect_checkpoint",
    "load_checkpoint",
    "read_note",
    "read_state",
    "save_checkpoint",
    "sha256",
]
