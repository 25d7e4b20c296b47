"""Errors of the engine.

PoiseError
├── BadInput            the caller gave unusable input; the message says what to do (CLI exit code 2)
│   ├── BadImage        not a decodable, allowed picture
│   ├── BadFaces        a face archive without usable pictures
│   ├── BadCheckpoint   a checkpoint that is damaged, foreign or unsafe
│   │   └── MissingDetails   a checkpoint whose details are incomplete
│   ├── MissingExtra    an optional dependency that is not installed
│   └── UnknownName     a name that is in no registry
├── BadPlugin           an installed plug-in that cannot be used
├── DownloadFailed      a file that cannot be downloaded, or is not the expected one
└── BadArtifact         a stored perturbation that is damaged or missing
"""

from __future__ import annotations

from collections.abc import Iterable


class PoiseError(Exception):
    """Anything Poise raises on purpose."""


class BadInput(PoiseError):
    """The caller gave unusable input."""


class BadImage(BadInput):
    """Not a decodable picture of an allowed kind."""


class BadFaces(BadInput):
    """A face archive that cannot be read, or that holds too few usable pictures."""


class BadCheckpoint(BadInput):
    """A checkpoint file that is damaged, of no known architecture, or unsafe to load."""


class MissingDetails(BadCheckpoint):
    """A checkpoint whose details are incomplete. fields: the missing ones."""

    def __init__(self, message: str, fields: tuple[str, ...]) -> None:
        super().__init__(message)
        self.fields = fields


class MissingExtra(BadInput):
    """Something that needs an optional dependency which is not installed."""


class UnknownName(BadInput):
    """A name that is in no registry."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


class BadPlugin(PoiseError):
    """An installed plug-in that cannot be used; the message names it and the package it comes from."""


class DownloadFailed(PoiseError):
    """A file that cannot be downloaded, or is not the expected one. The message says what to do."""


class BadArtifact(PoiseError):
    """A stored perturbation that is damaged or missing."""
