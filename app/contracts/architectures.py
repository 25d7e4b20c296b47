"""Generators an administrator has uploaded: a checkpoint and its record each, stored under ``architectures/<name>/``.

An upload waits in quarantine (``checking``) until a worker has looked at it, since that takes torch; then it is
``enabled``, or ``refused`` with the reason. Enabled ones are trained against and keep score beside those Poise ships.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from app.contracts.locks import one_at_a_time
from app.contracts.names import ARCHITECTURES
from app.contracts.problems import ProblemDocument
from app.contracts.storage import Storage

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
Status = Literal["checking", "enabled", "disabled", "refused"]

_GENERATION: Final = "poise:architectures:generation"
_LOCK: Final = "poise:architectures:lock"


class ArchitectureExists(Exception):
    """The name is taken, by an upload or by an architecture Poise knows."""


class NoSuchArchitecture(Exception):
    """There is no uploaded architecture of that name."""


class NotChecked(Exception):
    """The checkpoint has not been looked at yet, or was refused."""


class Architecture(BaseModel):
    """What is known about one uploaded generator."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Status = "checking"
    created_at: datetime
    bytes: int
    sha256: str
    architecture: str | None = Field(None, description="Which architecture the checkpoint fits.")
    paradigm: str | None = None
    parameters: int | None = None
    config: dict[str, Any] | None = None
    error: ProblemDocument | None = Field(None, description="Why it was refused.")
    attempts: int = Field(0, description="How often a worker has begun to check it.")


class Architectures:
    """The uploaded generators of one storage. redis: where changes are made known to workers."""

    def __init__(self, storage: Storage, redis: Redis) -> None:
        self._storage = storage
        self._redis = redis

    def add(self, path: Path, *, name: str, sha256: str) -> Architecture:
        """Keep the checkpoint at ``path`` in quarantine.

        Raises:
            ArchitectureExists: the name is taken.
            ValueError: it cannot be used.
        """
        if not NAME.fullmatch(name):
            raise ValueError("an architecture's name may have small letters, digits and underscores only")
        if name in ARCHITECTURES or self.get(name) is not None:
            raise ArchitectureExists(name)
        record = Architecture(name=name, created_at=datetime.now(UTC), bytes=path.stat().st_size, sha256=sha256)
        self._storage.put_file(_checkpoint(record), path)
        with one_at_a_time(self._redis, _LOCK):
            first = self.get(name)
            if first is None:
                self._put(record)
                return record
        if first.sha256 != sha256:
            self._storage.delete(_checkpoint(record))
        raise ArchitectureExists(name)

    def get(self, name: str) -> Architecture | None:
        """The record of an upload."""
        if not NAME.fullmatch(name):
            return None
        try:
            return Architecture.model_validate_json(self._storage.get(_record(name)))
        except FileNotFoundError:
            return None

    def all(self) -> list[Architecture]:
        """Every upload, by name."""
        keys = sorted(e.key for e in self._storage.entries("architectures/") if e.key.endswith("/record.json"))
        found = (self.get(key.split("/")[1]) for key in keys)
        return [record for record in found if record is not None]

    def enabled(self) -> list[Architecture]:
        """Those that are trained against and keep score, by name."""
        return [record for record in self.all() if record.status == "enabled"]

    def checked(self, record: Architecture) -> None:
        """Store what a worker found out, unless the upload was deleted, replaced or checked by another meanwhile."""
        with one_at_a_time(self._redis, _LOCK):
            now = self.get(record.name)
            if now is not None and (now.sha256, now.status) == (record.sha256, "checking"):
                self._put(record)

    def enable(self, name: str, *, enabled: bool) -> Architecture:
        """Use a generator, or stop using it.

        Raises:
            NoSuchArchitecture: there is none of that name.
            NotChecked: it waits for its check, or was refused.
        """
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(name)
            if record is None:
                raise NoSuchArchitecture(name)
            if record.status not in ("enabled", "disabled"):
                raise NotChecked(name)
            record.status = "enabled" if enabled else "disabled"
            self._put(record)
        return record

    def delete(self, name: str) -> None:
        """Forget an upload.

        Raises:
            NoSuchArchitecture: there is none of that name.
        """
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(name)
            if record is None:
                raise NoSuchArchitecture(name)
            self._storage.delete(_record(name))
            self._storage.delete(_checkpoint(record))
        self._redis.incr(_GENERATION)

    def fetch(self, name: str, path: Path) -> None:
        """Copy a checkpoint to ``path``.

        Raises:
            NoSuchArchitecture: there is none of that name.
        """
        record = self.get(name)
        if record is None:
            raise NoSuchArchitecture(name)
        try:
            self._storage.get_file(_checkpoint(record), path)
        except FileNotFoundError:
            raise NoSuchArchitecture(name) from None

    def generation(self) -> int:
        """A number that changes whenever any record does."""
        return int(cast("bytes | None", self._redis.get(_GENERATION)) or 0)

    def _put(self, record: Architecture) -> None:
        self._storage.put(_record(record.name), record.model_dump_json().encode())
        self._redis.incr(_GENERATION)


def _checkpoint(record: Architecture) -> str:
    """Named by its content, so that of two uploads under one name neither overwrites the other's bytes."""
    return f"architectures/{record.name}/{record.sha256}"


def _record(name: str) -> str:
    return f"architectures/{name}/record.json"
