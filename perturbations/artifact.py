"""A trained perturbation on disk: ``perturbation.safetensors`` beside ``perturbation.json``.

The sidecar holds configuration, seed, code version, hashes of the targets' checkpoints, curves and the measured effect
per architecture. A version is immutable: its name ends in a hash of δ, and loading checks it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from perturbations.errors import BadArtifact
from perturbations.files import replacing

TENSORS: Final = "perturbation.safetensors"
SIDECAR: Final = "perturbation.json"
SHIPPED: Final = Path(__file__).parent / "assets" / "perturbations"
SHAPE: Final = (1, 3, 256, 256)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Perturbation:
    """δ with its bound. delta: ``[1, 3, 256, 256]`` in [-epsilon, epsilon], units of the image range [-1, 1].

    Compared by identity, so that what is derived from it can be kept as long as it lives.
    """

    version: str
    delta: Tensor
    epsilon: float
    sidecar: Mapping[str, Any]


def version_of(delta: Tensor, *, weighting: str) -> str:
    """The version name of a δ: how it was weighted, and the first eight hex digits of its SHA-256."""
    digest = hashlib.sha256(delta.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
    return f"{weighting.replace('_', '-')}-{digest[:8]}"


def save(folder: Path, delta: Tensor, *, epsilon: float, weighting: str, sidecar: Mapping[str, Any]) -> Perturbation:
    """Write a version into ``folder``; the sidecar comes last, so a folder that has one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = delta.detach().float().cpu().contiguous()
    version = version_of(kept, weighting=weighting)
    document = {"version": version, "epsilon": epsilon, "weighting": weighting, **sidecar}
    with replacing(folder / TENSORS) as partial:
        save_file({"delta": kept}, partial)
    with replacing(folder / SIDECAR) as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n")
    return Perturbation(version, kept, epsilon, document)


def load(folder: Path) -> Perturbation:
    """Read a version.

    Raises:
        BadArtifact: a file is missing, damaged, or does not belong to the other; or δ leaves its bound.
    """
    try:
        document = json.loads((folder / SIDECAR).read_text())
        delta = load_file(folder / TENSORS)["delta"]
        version, epsilon, weighting = document["version"], float(document["epsilon"]), document["weighting"]
    except FileNotFoundError as error:
        raise BadArtifact(f"{folder} is not a perturbation: it has no {Path(str(error.filename)).name}") from error
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadArtifact(f"the perturbation in {folder} is damaged: {error}") from error
    if tuple(delta.shape) != SHAPE or delta.dtype != torch.float32:
        raise BadArtifact(f"{folder}: delta must be float32 {list(SHAPE)}, is {delta.dtype} {list(delta.shape)}")
    if not bool(delta.isfinite().all()) or float(delta.abs().max()) > epsilon + 1e-6:
        raise BadArtifact(f"{folder}: delta exceeds its bound of {epsilon}")
    if version_of(delta, weighting=weighting) != version:
        raise BadArtifact(f"{folder}: delta does not match its sidecar; restore the folder from a backup")
    return Perturbation(version, delta, epsilon, document)


def shipped() -> Path:
    """The folder of the version that ships with Poise.

    Raises:
        BadArtifact: there is none, or more than one.
    """
    folders = sorted(path.parent for path in SHIPPED.glob(f"*/{SIDECAR}"))
    if len(folders) != 1:
        raise BadArtifact(f"expected one shipped perturbation in {SHIPPED}, found {len(folders)}; reinstall Poise")
    return folders[0]


def active() -> Perturbation:
    """The version used by default: the one that ships."""
    return load(shipped())
