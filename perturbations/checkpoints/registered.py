"""Checkpoints an administrator has registered as targets, each under a name of its own.

A library is a folder with two files a target: ``NAME.checkpoint``, a copy of the file as it came, and ``NAME.json``,
what is known about it. A twin, which only keeps score, lies beside it as ``NAME-twin``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from perturbations.checkpoints.loading import copy_checkpoint, load_checkpoint, sha256
from perturbations.errors import BadCheckpoint, UnknownName
from perturbations.files import replacing
from perturbations.targets.interface import Target
from perturbations.targets.registry import names

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TWIN: Final = "-twin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known about a registered checkpoint. added: ISO 8601 in UTC; bytes and sha256: of the file."""

    name: str
    twin: bool
    architecture: str
    paradigm: str
    config: Mapping[str, Any]
    parameters: int
    bytes: int
    sha256: str
    licence: str
    added: str


class Library:
    """The registered targets in a folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        name: str,
        checkpoint: Path,
        *,
        architecture: str | None = None,
        edits: Any = None,
        image_size: int | None = None,
        licence: str = "",
        twin: bool = False,
    ) -> Record:
        """Copy a checkpoint into the library, if it loads.

        Args:
            name: what reports will call it.
            architecture: insists on one; what the file shows by default.
            edits: the ``edits`` of the architecture's configuration, where those the file shows will not do.
            image_size: pixels a side that it works at, where what the file shows will not do.
            licence: what its owner allows; kept, not checked.
            twin: register it as the twin of ``name``.

        Raises:
            BadCheckpoint: it does not load, the name is unusable or taken, or a twin does not match.
            UnknownName: there is no such architecture; or a twin's target is not registered.
        """
        self.check_free(name, twin=twin)
        model = self.record(name) if twin else None
        asked = {"edits": edits, "image_size": image_size}
        override = {field: value for field, value in asked.items() if value is not None}
        config = _plain(load_checkpoint(checkpoint, architecture=architecture, config=override).config)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._checkpoint_path(name, twin=twin)
        with replacing(path) as partial:
            copy_checkpoint(checkpoint, partial)
            # the copy is what will be used, so the copy is what must load
            target = load_checkpoint(partial, architecture=architecture, config=config)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        if model is not None and target.architecture != model.architecture:
            path.unlink()
            raise BadCheckpoint(f"{name} is a {model.architecture}, its twin cannot be a {target.architecture}")
        record = Record(
            name=name,
            twin=twin,
            architecture=target.architecture,
            paradigm=target.paradigm,
            config=_plain(target.config),
            parameters=sum(parameter.numel() for parameter in target.generator.parameters()),
            bytes=path.stat().st_size,
            sha256=sha256(path),
            licence=licence,
            added=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with replacing(self._record_path(name, twin=twin)) as partial:
            partial.write_text(json.dumps(asdict(record), indent=1, allow_nan=False) + "\n")
        return record

    def check_free(self, name: str, *, twin: bool = False) -> None:
        """Make sure that something can be registered under ``name``.

        Raises:
            BadCheckpoint: the name is unusable or taken.
        """
        if not NAME.fullmatch(name):
            raise BadCheckpoint(f"a target cannot be called {name!r}: use small letters, digits and underscores")
        if name in names():
            raise BadCheckpoint(f"{name} is an architecture; register the checkpoint under a name of its own")
        if self._record_path(name, twin=twin).exists():
            called = f"a twin of {name}" if twin else name
            raise BadCheckpoint(f"{called} is registered already; remove it first (poise targets remove {name})")

    def remove(self, name: str) -> None:
        """Forget a target and its twin, and delete their copies.

        Raises:
            UnknownName: it is not registered.
        """
        self.record(name)
        for twin in (True, False):
            self._record_path(name, twin=twin).unlink(missing_ok=True)
            self._checkpoint_path(name, twin=twin).unlink(missing_ok=True)

    def records(self) -> list[Record]:
        """Everything registered, by name, a twin after its target.

        Raises:
            BadCheckpoint: a record is damaged.
        """
        return [_read(path) for path in sorted(self.folder.glob("*.json"), key=lambda path: path.stem)]

    def names(self) -> tuple[str, ...]:
        """What is registered, by name, twins not counted."""
        stems = (path.stem for path in self.folder.glob("*.json"))
        return tuple(sorted(stem for stem in stems if not stem.endswith(_TWIN)))

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """What differs whenever something was registered or removed since; cheap to look at."""
        found = []
        for path in self.folder.glob("*.json"):  # a new file each time, and the last thing that is written
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((path.name, status.st_ino, status.st_mtime_ns))
        return tuple(sorted(found))

    def has_twin(self, name: str) -> bool:
        """Whether a twin of ``name`` is registered."""
        return self._record_path(name, twin=True).exists()

    def record(self, name: str, *, twin: bool = False) -> Record:
        """What is known about a target.

        Raises:
            UnknownName: it is not registered.
            BadCheckpoint: its record is damaged.
        """
        # the name is looked up, never made a path of before: it may come from anywhere
        if name not in self.names() or not self._record_path(name, twin=twin).exists():
            raise UnknownName("registered target", f"{name}{_TWIN if twin else ''}", self.names())
        return _read(self._record_path(name, twin=twin))

    def load(self, name: str, *, twin: bool = False, device: torch.device | str = "cpu") -> Target:
        """A frozen target that reports call ``name``.

        Raises:
            UnknownName: it is not registered, or its architecture is gone.
            BadCheckpoint: its file is missing, damaged or not the one that was registered.
        """
        record = self.record(name, twin=twin)
        path = self._checkpoint_path(name, twin=twin)
        if not path.is_file() or sha256(path) != record.sha256:
            raise BadCheckpoint(
                f"the checkpoint of {name} in {self.folder} is not the one that was registered; "
                f"remove it (poise targets remove {name}) and register it again"
            )
        target = load_checkpoint(path, architecture=record.architecture, config=record.config)
        target.registered_name = name
        return target.to(device)

    def _record_path(self, name: str, *, twin: bool) -> Path:
        return self.folder / f"{name}{_TWIN if twin else ''}.json"

    def _checkpoint_path(self, name: str, *, twin: bool) -> Path:
        return self.folder / f"{name}{_TWIN if twin else ''}.checkpoint"


def _read(path: Path) -> Record:
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path} is damaged ({error}); delete it and register the target again") from error


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As it will come out of the record again."""
    plain: dict[str, Any] = json.loads(json.dumps(config, allow_nan=False))
    return plain
