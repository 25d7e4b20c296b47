"""Uploaded generators, out of the storage into memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from app.contracts.records.architectures import Architecture, Architectures
from perturbations.checkpoints.loading import load_checkpoint, sha256
from perturbations.errors import BadCheckpoint
from perturbations.targets.interface import Target


def load_upload(uploads: Architectures, record: Architecture, *, device: torch.device, scratch: Path | None) -> Target:
    """The generator of ``record`` on ``device``. scratch: where its file lies for a moment; the system's place if none.

    Raises:
        NoSuchArchitecture: it was deleted at this moment.
        BadCheckpoint: it is damaged, or was not checked by this release.
    """
    if record.weights is None:
        raise BadCheckpoint(f"the checkpoint of {record.name} waits to be checked again, after an upgrade")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "checkpoint"
        uploads.fetch(record.name, path)
        if sha256(path) != record.weights:
            raise BadCheckpoint(f"the checkpoint of {record.name} is damaged; upload it again")
        target = load_checkpoint(path).to(device)
    target.registered_name = record.name
    return target
