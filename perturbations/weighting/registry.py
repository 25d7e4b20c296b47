"""Weightings by name, imported when first asked for: the built-in ones, then those of installed packages.

A package declares a weighting as it declares a target, by the entry point group ``poise.weightings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from perturbations.errors import UnknownName
from perturbations.plugins import Plugins
from perturbations.weighting.base import Weighting

WEIGHTINGS: Final = {
    "uniform": "perturbations.weighting.uniform:Uniform",
    "grad_norm": "perturbations.weighting.grad_norm:GradNorm",
    "aef": "perturbations.weighting.aef:Aef",
    "aef_scaled": "perturbations.weighting.aef_scaled:AefScaled",
}
_PLUGINS: Final = Plugins("poise.weightings", Weighting)  # type: ignore[type-abstract]


def names() -> tuple[str, ...]:
    """All known weightings; a plug-in cannot take the name of a built-in one."""
    return tuple(dict.fromkeys([*WEIGHTINGS, *(plugin.name for plugin in _PLUGINS.declared())]))


def weighting_class(name: str) -> type[Weighting]:
    """The class of a weighting.

    Raises:
        UnknownName: nothing of that name is registered.
        BadPlugin: a plug-in declares it and cannot be used.
    """
    if name not in WEIGHTINGS:
        try:
            return _PLUGINS.load(name)
        except KeyError:
            raise UnknownName("weighting", name, names()) from None
    module, _, attribute = WEIGHTINGS[name].partition(":")
    found: type[Weighting] = getattr(import_module(module), attribute)
    return found


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
