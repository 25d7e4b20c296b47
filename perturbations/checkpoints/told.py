"""What is known about a checkpoint beside its layout: from whoever adds it, or from an older version that assumed it.

A layout shows architecture and widths. It seldom shows the size of image a generator works at, nor what its labels
mean; whoever adds such a checkpoint is asked for them. Nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from perturbations.errors import BadCheckpoint, Unsaid
from perturbations.targets.interface import Target

OFFICIAL: Final = "official"
"""In place of edits: those of the published checkpoint of this layout."""
SIZE: Final = "image_size"
EDITS: Final = "edits"


class Found(NamedTuple):
    """What a file shows: its architecture, the configuration by its note or its layout, and the note itself."""

    cls: type[Target]
    config: Mapping[str, Any]
    note: Mapping[str, Any] | None


class Completed(NamedTuple):
    """A whole configuration. assumed: fields of it that nobody has said."""

    config: Mapping[str, Any]
    assumed: tuple[str, ...]


class Knowledge(Protocol):
    """Something that completes what a file shows."""

    @property
    def architecture(self) -> str | None:
        """What it must be; ``None`` where anything will do."""

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """The configuration of a generator. shown: what its layout alone shows.

        Raises:
            BadCheckpoint: what is known does not go with the file.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What whoever adds a checkpoint says about it.

    edits: names, one for each label of the network in its order; or the ``edits`` of the architecture's configuration;
    or :data:`OFFICIAL`.
    """

    architecture: str | None = None
    image_size: int | None = None
    edits: Any = None

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """What was told takes the place of what the file says."""
        config = dict(found.config)
        if self.image_size is not None:
            config[SIZE] = self.image_size
        if self.edits is not None:
            config[EDITS] = _edits(found.cls, self.edits, shown)
        told = {SIZE: self.image_size, EDITS: self.edits}
        open_ = () if found.note is not None else found.cls.unsaid(shown)
        return Completed(config, tuple(field for field in open_ if told[field] is None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What an older version has recorded. It did not tell what it was told from what it took for granted.

    note_counts: whether a note in the file came with it. Older versions wrote one of their own into their copies, with
    architecture and configuration alone.
    """

    architecture: str | None
    config: Mapping[str, Any]
    note_counts: bool

    def complete(self, found: Found, shown: Mapping[str, Any]) -> Completed:
        """A field that is as the layout alone suggests may have been taken for granted."""
        config = {**found.config, **self.config}
        if found.note is not None and (self.note_counts or found.note.keys() > {"architecture", "config"}):
            return Completed(config, ())
        same = (field for field in found.cls.unsaid(shown) if _plain(config[field]) == _plain(shown[field]))
        return Completed(config, tuple(same))


def ask(cls: type[Target], assumed: tuple[str, ...], shown: Mapping[str, Any]) -> Unsaid:
    """The error of a checkpoint that leaves something open; says what to send."""
    wanted = {SIZE: "its image size", EDITS: "the names of its edits"}
    text = (
        f"This {cls.__name__} checkpoint does not say {' and '.join(wanted[field] for field in assumed)}. "
        f"Send {' and '.join(assumed)}."
    )
    if EDITS in assumed:
        text += f" It takes {len(cls.label_edits(shown))} edits."
        if cls.published_edits(shown) is not None:
            text += f" For the published checkpoint send edits={OFFICIAL}."
    return Unsaid(text, assumed)


def _edits(cls: type[Target], told: Any, shown: Mapping[str, Any]) -> Any:
    """``edits`` of a configuration."""
    if told == OFFICIAL:
        official = cls.published_edits(shown)
        if official is None:
            raise BadCheckpoint(f"no published {cls.__name__} has this layout; name its edits")
        return official
    if isinstance(told, Mapping) or not isinstance(told, (list, tuple)):
        return told
    places = cls.label_edits(shown)
    if len(told) != len(places):
        raise BadCheckpoint(f"this {cls.__name__} takes {len(places)} edits, and {len(told)} were named")
    if not isinstance(places, Mapping):
        return list(told)
    return dict(zip(told, places.values(), strict=True))


def _plain(value: Any) -> Any:
    """As it comes out of a record."""
    return json.loads(json.dumps(value))
