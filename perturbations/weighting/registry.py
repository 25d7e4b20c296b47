"""Weightings by name, imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from perturbations.errors import UnknownName
from perturbations.weighting.base import Weighting

WEIGHTINGS: Final = {
    "uniform": "perturbations.weighting.uniform:Uniform",
    "grad_norm": "perturbations.weighting.grad_norm:GradNorm",
    "aef": "perturbations.weighting.aef:Aef",
    "aef_scaled": "perturbations.weighting.aef_scaled:AefScaled",
}


def names() -> tuple[str, ...]:
    """All known weightings."""
    return tuple(WEIGHTINGS)


def weighting(name: str, *, targets: int) -> Weighting:
    """A fresh weighting for ``targets`` targets, with its default hyper-parameters.

    Raises:
        UnknownName: nothing of that name is registered.
    """
    if name not in WEIGHTINGS:
        raise UnknownName("weighting", name, WEIGHTINGS)
    module, _, attribute = WEIGHTINGS[name].partition(":")
    found: type[Weighting] = getattr(import_module(module), attribute)
    return found(targets)
