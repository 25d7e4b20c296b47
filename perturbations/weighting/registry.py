"""Weightings by name, imported when first asked for: the built-in ones, then those of installed packages.

A package declares a weighting as it declares a target, by the entry point group ``poise.weightings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from perturbations.plugins import Plugins, Registry
from perturbations.weighting.base import Weighting

WEIGHTINGS: Final = {
    "uniform": "perturbations.weighting.uniform:Uniform",
    "grad_norm": "perturbations.weighting.grad_norm:GradNorm",
    "aef": "perturbations.weighting.aef:Aef",
    "aef_scaled": "perturbations.weighting.aef_scaled:AefScaled",
}
# the base class is abstract, and plug-ins complete it
_PLUGINS: Final = Plugins("poise.weightings", Weighting)  # type: ignore[type-abstract]
_REGISTRY: Final = Registry("weighting", WEIGHTINGS, _PLUGINS)

# all known weightings, and the class of one
names = _REGISTRY.names
weighting_class = _REGISTRY.load


def weighting(name: str, *, targets: int, options: Mapping[str, float] | None = None) -> Weighting:
    """A fresh weighting for ``targets`` targets.

    Args:
        options: hyper-parameters by name, in place of the defaults.

    Raises:
        UnknownName: nothing of that name is registered.
        BadPlugin: a plug-in declares it and cannot be used.
        ValueError: it has no such hyper-parameter, or the value is invalid.
    """
    found = weighting_class(name)
    try:
        return found(targets, **(options or {}))
    except TypeError as error:
        raise ValueError(f"the weighting {name} does not accept these options: {error}") from error
