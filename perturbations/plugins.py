"""Classes that other installed packages provide, by entry point groups such as ``poise.targets``.

A package names them in its ``pyproject.toml``::

    [project.entry-points."poise.targets"]
    mygan = "mypackage.mygan:MyGAN"

Nothing of a package is imported before its class is asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from perturbations.errors import BadPlugin, UnknownName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A declared class. source: the package it comes from; value: ``module:Class``."""

    name: str
    source: str
    value: str


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """The plug-ins of one entry point group, all of which are subclasses of ``base``.

    misfit: why a class cannot have the name it is declared under; ``None`` if it can.
    """

    group: str
    base: type[T]
    misfit: Callable[[str, type[T]], str | None] = lambda name, found: None  # noqa: ARG005

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
        if (reason := self.misfit(name, found)) is not None:
            raise BadPlugin(f"the plug-in {name!r} of {sources}: {reason}")
        return found


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Classes by name, imported when first asked for: the built-in ones, then those of installed packages.

    kind: what they are called in errors. built_in: name to ``module:Class``; a plug-in cannot take one of these names.
    """

    kind: str
    built_in: Mapping[str, str]
    plugins: Plugins[T]

    def names(self) -> tuple[str, ...]:
        """Every known name, the built-in ones first."""
        return tuple(dict.fromkeys([*self.built_in, *(plugin.name for plugin in self.plugins.declared())]))

    def load(self, name: str) -> type[T]:
        """The class of a name.

        Raises:
            UnknownName: nothing of that name is registered.
            BadPlugin: a plug-in declares it and cannot be used.
        """
        if name in self.built_in:
            found: type[T] = imported(self.built_in[name])
            return found
        try:
            return self.plugins.load(name)
        except KeyError:
            raise UnknownName(self.kind, name, self.names()) from None


def imported(reference: str) -> Any:
    """What ``module:attribute`` names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


@cache
def _entries(group: str) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)))


def forget() -> None:
    """Look up the installed packages again next time."""
    _entries.cache_clear()


def _source(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
