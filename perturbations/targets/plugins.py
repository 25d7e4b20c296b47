"""Architectures that other installed packages provide, by the entry point group ``poise.targets``."""

from __future__ import annotations

from typing import Final

from perturbations.errors import BadPlugin
from perturbations.plugins import Plugin, Plugins
from perturbations.targets.interface import Target

# an abstract class is what plug-ins are to complete
_PLUGINS: Final = Plugins("poise.targets", Target)  # type: ignore[type-abstract]


def declared() -> list[Plugin]:
    """Everything installed packages declare, by name."""
    return _PLUGINS.declared()


def plugin(name: str) -> type[Target]:
    """The class a plug-in declares under ``name``.

    Raises:
        BadPlugin: it cannot be used; the message names the package and the reason.
        KeyError: no package declares that name.
    """
    found = _PLUGINS.load(name)
    if getattr(found, "architecture", None) != name:
        source = next(one.source for one in declared() if one.name == name)
        raise BadPlugin(f"the plug-in {name!r} of {source}: its class calls its architecture something else")
    return found
