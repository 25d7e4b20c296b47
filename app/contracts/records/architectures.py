"""Generators an administrator has uploaded: a checkpoint and its record each, stored under ``architectures/<name>/``.

An upload waits in quarantine (``checking``) until a worker has looked at it, since that takes torch; then it is
``enabled``, or ``refused`` with the reason, or ``disabled`` where there is no room beside those that are enabled.
Enabled ones are trained against and keep score beside those Poise ships. What is loaded from then on is safetensors:
the upload itself, or the copy of it that the check has made.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from app.contracts.generator_limits import Allowance
from app.contracts.names import ARCHITECTURES
from app.contracts.problems import Conflict, ProblemDocument
from app.contracts.redis.locks import one_at_a_time
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


class NoRoom(Exception):
    """There are enough uploads, or those that are enabled leave too little; the message says what to do."""


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
    weights: str | None = Field(None, description="SHA-256 of what is loaded, once it was checked: safetensors.")
    seconds: float | None = Field(
        None, description="Seconds of one processor that one face takes, with all edits of the photo and of its copy."
    )
    megabytes: int | None = Field(None, description="Megabytes that it takes to score a face.")
    error: ProblemDocument | None = Field(None, description="Why it was refused, or not enabled.")
    attempts: int = Field(0, description="How often a worker has begun to check it.")

    @property
    def outdated(self) -> bool:
        """Whether it was enabled by an older release, which kept no weights that can be loaded without an unpickler."""
        return self.status == "enabled" and self.weights is None


class Architectures:
    """The uploaded generators of one storage. redis: where changes are made known to workers."""

    def __init__(self, storage: Storage, redis: Redis, allowance: Allowance | None = None) -> None:
        self._storage = storage
        self._redis = redis
        self.allowance = allowance or Allowance()

    def add(self, path: Path, *, name: str, sha256: str) -> Architecture:
        """Keep the checkpoint at ``path`` in quarantine.

        Raises:
            ArchitectureExists: the name is taken.
            NoRoom: there are enough.
            ValueError: it cannot be used.
        """
        if not NAME.fullmatch(name):
            raise ValueError("an architecture's name may have small letters, digits and underscores only")
        if name in ARCHITECTURES or self.get(name) is not None:
            raise ArchitectureExists(name)
        self.check_number()
        record = Architecture(name=name, created_at=datetime.now(UTC), bytes=path.stat().st_size, sha256=sha256)
        self._storage.put_file(_checkpoint(record), path)
        with one_at_a_time(self._redis, _LOCK):
            first = self.get(name)
            room = self._number() < self.allowance.most
            if first is None and room:
                self._put(record)
                return record
        if first is None or first.sha256 != sha256:
            self._storage.delete(_checkpoint(record))
        if first is None:
            self.check_number()
        raise ArchitectureExists(name)

    def check_number(self) -> None:
        """Make sure that there may be another one.

        Raises:
            NoRoom: there may not.
        """
        if self._number() >= self.allowance.most:
            raise NoRoom(
                f"There are {self.allowance.most} uploaded generators, as many as there may be "
                "(POISE_MAX_GENERATORS); delete one first."
            )

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
        found = (self.get(name) for name in self._names())
        return [record for record in found if record is not None]

    def enabled(self) -> list[Architecture]:
        """Those that are trained against and keep score, by name."""
        return [record for record in self.all() if record.status == "enabled"]

    def checked(self, record: Architecture, weights: Path | None = None) -> None:
        """Store what a worker found out, unless the upload was deleted, replaced or checked by another meanwhile.

        weights: the file that is loaded from now on, where that is not the upload itself, which goes.
        """
        if weights is not None and record.weights is not None:
            self._storage.put_file(_weights(record), weights)
        with one_at_a_time(self._redis, _LOCK):
            now = self.get(record.name)
            due = now is not None and (now.sha256, now.status) == (record.sha256, "checking")
            if due:
                if record.status == "enabled" and (reason := self._no_room(record)) is not None:
                    record.status, record.error = "disabled", Conflict(reason).document()
                self._put(record)
        if weights is not None:  # an orphan goes with the sweeper, where another check has kept the same
            if due and record.weights != record.sha256:
                self._storage.delete(_checkpoint(record))
            elif now is None:
                self._storage.delete(_weights(record))

    def enable(self, name: str, *, enabled: bool) -> Architecture:
        """Use a generator, or stop using it.

        Raises:
            NoSuchArchitecture: there is none of that name.
            NotChecked: it waits for its check, or was refused.
            NoRoom: with those that are enabled, it would take more than there is.

        One that an older release has looked at is checked again first.
        """
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(name)
            if record is None:
                raise NoSuchArchitecture(name)
            if record.status not in ("enabled", "disabled"):
                raise NotChecked(name)
            if enabled and record.weights is None:
                return self._quarantined(record)
            if enabled and (reason := self._no_room(record)) is not None:
                raise NoRoom(reason)
            record.status = "enabled" if enabled else "disabled"
            record.error = None
            self._put(record)
        return record

    def check_again(self, name: str) -> None:
        """Put an upload that an older release has looked at, and enabled, back into quarantine."""
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(name)
            if record is not None and record.outdated:
                self._quarantined(record)

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
            for key in {_checkpoint(record), _weights(record)}:
                self._storage.delete(key)
        self._redis.incr(_GENERATION)

    def fetch(self, name: str, path: Path) -> None:
        """Copy what was uploaded to ``path``; once it is checked, what is loaded instead.

        Raises:
            NoSuchArchitecture: there is none of that name.
        """
        record = self.get(name)
        if record is None:
            raise NoSuchArchitecture(name)
        try:
            self._storage.get_file(_weights(record), path)
        except FileNotFoundError:
            raise NoSuchArchitecture(name) from None

    def generation(self) -> int:
        """A number that changes whenever any record does."""
        return int(cast("bytes | None", self._redis.get(_GENERATION)) or 0)

    def _names(self) -> list[str]:
        return sorted(
            entry.key.split("/")[1]
            for entry in self._storage.entries("architectures/")
            if entry.key.endswith("/record.json")
        )

    def _number(self) -> int:
        return len(self._names())

    def _quarantined(self, record: Architecture) -> Architecture:
        """Have it checked by the sweeper's next message."""
        record.status, record.attempts = "checking", 0
        self._put(record)
        return record

    def _no_room(self, record: Architecture) -> str | None:
        """Why a generator cannot be enabled beside those that are, if so."""
        all_ = [record, *(other for other in self.enabled() if other.name != record.name)]
        seconds, megabytes = sum(a.seconds or 0.0 for a in all_), sum(a.megabytes or 0 for a in all_)
        if seconds <= self.allowance.seconds and megabytes <= self.allowance.megabytes:
            return None
        return (
            f"With the generators that are enabled it would take {seconds:.1f} s of one processor a face and "
            f"{megabytes} MB; allowed are {self.allowance.seconds} s (POISE_GENERATOR_SECONDS) and "
            f"{self.allowance.megabytes} MB (POISE_GENERATOR_MEGABYTES). Disable another one, then enable it."
        )

    def _put(self, record: Architecture) -> None:
        self._storage.put(_record(record.name), record.model_dump_json().encode())
        self._redis.incr(_GENERATION)


def _checkpoint(record: Architecture) -> str:
    """Named by its content, so that of two uploads under one name neither overwrites the other's bytes."""
    return f"architectures/{record.name}/{record.sha256}"


def _weights(record: Architecture) -> str:
    """What is loaded; before it is checked, what was uploaded."""
    return f"architectures/{record.name}/{record.weights or record.sha256}"


def _record(name: str) -> str:
    return f"architectures/{name}/record.json"
