"""Architectures that other installed packages bring, by the entry point group ``poise.targets``.

A package names them in its ``pyproject.toml``::

    [project.entry-points."poise.targets"]
    mygan = "mypackage.mygan:MyGAN"

Nothing of a package is imported before its architecture is asked for.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from perturbations.errors import BadPlugin
from perturbations.targets.interface import Target

GROUP: Final = "poise.targets"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A declared architecture. source: the package it comes from; value: ``module:Class``."""

    name: str
    source: str
    value: str


@cache
def _declared() -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)))


def declared() -> list[Plugin]:
    """Everything installed packages declare, by name; a package that says so twice counts once."""
    found = (Plugin(entry.name, _source(entry), entry.value) for entry in _declared())
    return list(dict.fromkeys(found))


def forget() -> None:
    """Look again at what is installed, the next time."""
    _declared.cache_clear()


def plugin(name: str) -> type[Target]:
    """The class a plug-in declares under ``name``.

    Raises:
        BadPlugin: it cannot be used; the message says whose it is and why.
        KeyError: no package declares that name.
    """
    entries = {(_source(entry), entry.value): entry for entry in _declared() if entry.name == name}
    if not entries:
        raise KeyError(name)
    sources = " and ".join(sorted({source for source, _ in entries}))
    if len(entries) > 1:
        raise BadPlugin(f"the plug-in {name!r} is declared more than once, by {sources}; uninstall all but one")
    (entry,) = entries.values()
    try:
        found = entry.load()
    except Exception as error:  # whatever the import of a stranger's module raises
        raise BadPlugin(
            f"the plug-in {name!r} of {sources} cannot be imported: {error!r}; mend or uninstall it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Target)) or inspect.isabstract(found):
        raise BadPlugin(f"the plug-in {name!r} of {sources}: {entry.value} is not a complete subclass of Target")
    if getattr(found, "architecture", None) != name:
        raise BadPlugin(f"the plug-in {name!r} of {sources}: its class calls its architecture something else")
    return found


def _source(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
