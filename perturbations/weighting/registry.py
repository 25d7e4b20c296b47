"""Weightings by name, imported when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
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


def weighting(name: str, *, targets: int, options: Mapping[str, float] | None = None) -> Weighting:
    """A fresh weighting for ``targets`` targets.

    Args:
        options: hyper-parameters by name, where the defaults will not do.

    Raises:
        UnknownName: nothing of that name is registered.
        ValueError: it has no such hyper-parameter, or not of that value.
    """
    if name not in WEIGHTINGS:
        raise UnknownName("weighting", name, WEIGHTINGS)
    module, _, attribute = WEIGHTINGS[name].partition(":")
    found: type[Weighting] = getattr(import_module(module), attribute)
    try:
        return found(targets, **(options or {}))
    except TypeError as error:
        raise ValueError(f"the weighting {name} does not take these options: {error}") from error
