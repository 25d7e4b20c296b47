"""Classes that other installed packages provide, by entry point groups such as ``poise.targets``.

A package names them in its ``pyproject.toml``::

    [project.entry-points."poise.targets"]
    mygan = "mypackage.mygan:MyGAN"

Nothing of a package is imported before its class is asked for.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from perturbations.errors import BadPlugin

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A declared class. source: the package it comes from; value: ``module:Class``."""

    name: str
    source: str
    value: str


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """The plug-ins of one entry point group, all of which are subclasses of ``base``."""

    group: str
    base: type[T]

    def declared(self) -> list[Plugin]:
        """Everything installed packages declare, by name; duplicates within a package count once."""
        found = (Plugin(entry.name, _source(entry), entry.value) for entry in _entries(self.group))
        return list(dict.fromkeys(found))

    def load(self, name: str) -> type[T]:
        """The class a plug-in declares under ``name``.

        Raises:
            BadPlugin: it cannot be used; the message names the package and the reason.
            KeyError: no package declares that name.
        """
        entries = {(_source(entry), entry.value): entry for entry in _entries(self.group) if entry.name == name}
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
                f"the plug-in {name!r} of {sources} cannot be imported: {error!r}; fix or uninstall it"
            ) from error
        if not (isinstance(found, type) and issubclass(found, self.base)) or inspect.isabstract(found):
            wanted = self.base.__name__
            raise BadPlugin(f"the plug-in {name!r} of {sources}: {entry.value} is not a complete subclass of {wanted}")
        return found


@cache
def _entries(group: str) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)))


def forget() -> None:
    """Look up the installed packages again next time."""
    _entries.cache_clear()


def _source(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
