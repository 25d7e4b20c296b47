"""The surrogates that ship with Poise, each with its twin.

Perturbations are trained on ``NAME.safetensors``. ``NAME-twin.safetensors`` comes from another seed and the other half
of the data, and is used only to measure.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import torch

from perturbations.checkpoints.loading import load_checkpoint, sha256
from perturbations.targets.interface import Target
from perturbations.targets.registry import architecture, names

_log = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).parents[1] / "assets" / "surrogates"


def surrogate_path(name: str, *, twin: bool = False) -> Path:
    """The path of an architecture's surrogate, whether or not it exists."""
    return FOLDER / f"{name}{'-twin' if twin else ''}.safetensors"


def shipped_names() -> tuple[str, ...]:
    """Architectures with a surrogate that can be built here, in the order reports use."""
    return tuple(name for name in _present() if architecture(name).unavailable() is None)


def left_out() -> dict[str, str]:
    """Architectures whose surrogate ships but cannot be built here, and why (an optional dependency is missing)."""
    reasons = {name: architecture(name).unavailable() for name in _present()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def log_left_out() -> None:
    """Log every architecture that :func:`left_out` names, with the reason."""
    for name, reason in left_out().items():
        _log.warning("target.left_out: %s %s", name, reason)


def load_surrogates(*, twins: bool = False, device: torch.device | str = "cpu") -> list[Target]:
    """One frozen target per shipped architecture, or the twins, in the order reports use.

    Any that cannot be built is logged with the reason.
    """
    log_left_out()
    return [load_surrogate(name, twin=twins, device=device) for name in shipped_names()]


def load_surrogate(name: str, *, twin: bool = False, device: torch.device | str = "cpu") -> Target:
    """The surrogate of an architecture that :func:`shipped_names` lists, or its twin, frozen."""
    return load_checkpoint(surrogate_path(name, twin=twin)).to(device)


def surrogate_hashes() -> dict[str, str]:
    """SHA-256 of every shipped surrogate by name, for an artifact's sidecar."""
    return {name: sha256(surrogate_path(name)) for name in _present()}


def _present() -> tuple[str, ...]:
    return tuple(name for name in names() if surrogate_path(name).exists())
