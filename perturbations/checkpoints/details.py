"""Details of a checkpoint that its layout does not show: given when it is added, or recorded by an older version.

A layout shows the architecture and the widths. It rarely shows the image size of a generator or the meaning of its
labels. These must be given when such a checkpoint is added; Poise does not guess them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from perturbations.errors import BadCheckpoint, MissingDetails
from perturbations.targets.interface import Target

OFFICIAL: Final = "official"
"""Stands for the edits of the published checkpoint of this layout."""
SIZE: Final = "image_size"
EDITS: Final = "edits"


class Found(NamedTuple):
    """What a file shows: its architecture, its configuration (from the note or the layout), and the note itself."""

    cls: type[Target]
    config: Mapping[str, Any]
    note: Mapping[str, Any] | None


class Completed(NamedTuple):
    """A complete configuration. assumed: its fields that were neither given nor stated in the file."""

    config: Mapping[str, Any]
    assumed: tuple[str, ...]


class Details(Protocol):
    """Details that complete what a file shows."""

    @property
    def architecture(self) -> str | None:
        """The architecture it must be; ``None`` if any will do."""

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """The complete configuration of a generator. shown: what its layout alone shows.

        Raises:
            BadCheckpoint: the details do not fit the file.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDetails:
    """The details that are given when a checkpoint is added.

    edits: one name for each label of the network, in its order; or the ``edits`` of the architecture's configuration;
    or :data:`OFFICIAL`.
    """

    architecture: str | None = None
    image_size: int | None = None
    edits: Any = None

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """Given details replace those in the file."""
        config = dict(found.config)
        if self.image_size is not None:
            config[SIZE] = self.image_size
        if self.edits is not None:
            config[EDITS] = _edits(found.cls, self.edits, shown)
        given = {SIZE: self.image_size, EDITS: self.edits}
        missing_ = () if found.note is not None else found.cls.missing_details(shown)
        return Completed(config, tuple(field for field in missing_ if given[field] is None))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDetails:
    """The details an older version has recorded. It did not distinguish given details from assumed ones.

    note_counts: whether a note in the file is the original one. Older versions wrote notes into their own copies, with
    only the architecture and the configuration.
    """

    architecture: str | None
    config: Mapping[str, Any]
    note_counts: bool

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """A field with the value that the layout alone suggests may have been assumed."""
        config = {**found.config, **self.config}
        if found.note is not None and (self.note_counts or found.note.keys() > {"architecture", "config"}):
            return Completed(config, ())
        same = (field for field in found.cls.missing_details(shown) if _plain(config[field]) == _plain(shown[field]))
        return Completed(config, tuple(same))


def missing(cls: type[Target], assumed: tuple[str, ...], shown: Mapping[str, Any]) -> MissingDetails:
    """The error for a checkpoint with missing details. It says what to send."""
    wanted = {SIZE: "its image size", EDITS: "the names of its edits"}
    text = (
        f"This {cls.__name__} checkpoint does not say {' and '.join(wanted[field] for field in assumed)}. "
        f"Send {' and '.join(assumed)}."
    )
    if EDITS in assumed:
        text += f" It has {len(cls.label_edits(shown))} edits."
        if cls.published_edits(shown) is not None:
            text += f" For the published checkpoint send edits={OFFICIAL}."
    return MissingDetails(text, assumed)


def _edits(cls: type[Target], given: Any, shown: Mapping[str, Any]) -> Any:
    """The ``edits`` of a configuration."""
    if given == OFFICIAL:
        official = cls.published_edits(shown)
        if official is None:
            raise BadCheckpoint(f"no published {cls.__name__} has this layout; give the names of its edits")
        return official
    if isinstance(given, Mapping) or not isinstance(given, (list, tuple)):
        return given
    places = cls.label_edits(shown)
    if len(given) != len(places):
        raise BadCheckpoint(f"this {cls.__name__} has {len(places)} edits; names given: {len(given)}")
    if not isinstance(places, Mapping):
        return list(given)
    return dict(zip(given, places.values(), strict=True))


def _plain(value: Any) -> Any:
    """The value as a stored record would return it."""
    return json.loads(json.dumps(value))
