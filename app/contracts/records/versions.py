"""The perturbations of one installation, in its storage, and which of them is active.

A version lies under ``perturbations/<version>/``: the two files of its artifact, and ``record.json``, written last, so
that a version with a record is complete. Versions are immutable.

A log in the storage says which one is active: one small object per activation under ``activations/``, never changed.
Each activation adds the next. So the choice survives the loss of Redis and can be made while the service is stopped,
and an activation is seen whole or not at all. Redis only *announces* the newest entry. Workers look there before every
photo, and take turns comparing the announcement with the log from time to time.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis
from redis.client import Pipeline

from app.contracts.redis.locks import one_at_a_time
from app.contracts.report import ActivePerturbation
from app.contracts.storage import Storage, recorded

VERSION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
FILES: Final = ("perturbation.safetensors", "perturbation.json")
Origin = Literal["shipped", "trained", "imported"]

_ACTIVE: Final = "poise:perturbation:active"
"""JSON of the ``ActivePerturbation`` new photos get."""
_NAMES: Final = "poise:perturbation:versions"
"""The set of versions a photo may ask for."""
_MEASURED: Final = ("targets", "effect", "after_jpeg", "in_other_crops", "quality", "attainable", "breaks_at")
_LOCK: Final = "poise:perturbation:lock"
_LOG: Final = "activations/"
_MOST_REPLAYED: Final = 1000


class NoSuchVersion(Exception):
    """There is no version of that name."""


class VersionInUse(Exception):
    """The version is active, or ships with Poise, and cannot be deleted."""


class NothingBefore(Exception):
    """No version was active before this one."""


class Version(BaseModel):
    """What is known about one version."""

    model_config = ConfigDict(extra="forbid")

    version: str
    epsilon: float
    weighting: str
    origin: Origin
    created_at: datetime
    training: str | None = Field(None, description="The id of the training that made it.")
    warm_start: str | None = Field(None, description="The version its training started from.")
    targets: dict[str, str | None] = Field(default_factory=dict, description="SHA-256 of the generators, by name.")
    effect: dict[str, Any] | None = Field(None, description="As `poise evaluate` prints it for the transform `none`.")
    after_jpeg: dict[str, Any] | None = Field(None, description="The same after JPEG of quality 75.")
    in_other_crops: dict[str, Any] | None = Field(
        None, description="The same where attackers cut out the face with another detector: 8 % larger or smaller."
    )
    quality: dict[str, Any] | None = None
    attainable: dict[str, float] = Field(default_factory=dict)
    breaks_at: dict[str, float | None] = Field(default_factory=dict)


class Activation(BaseModel):
    """One entry of the log."""

    model_config = ConfigDict(extra="forbid")

    version: str
    at: datetime
    reason: str
    back: bool = Field(False, description="A roll-back: later activations no longer count.")


class Versions:
    """The perturbations in one storage.

    redis: where the active one is announced; ``None`` to announce nothing, as while the service is stopped.
    """

    def __init__(self, storage: Storage, redis: Redis | None) -> None:
        self._storage = storage
        self._redis = redis

    def add(
        self, folder: Path, *, origin: Origin, training: str | None = None, warm_start: str | None = None
    ) -> Version:
        """Keep the artifact in ``folder``, which the caller has checked. One that exists already stays as it is.

        Only of one that ships, the sidecar is written again: a later release may say more in it.

        Raises:
            ValueError: its name cannot be used.
        """
        document = json.loads((folder / FILES[1]).read_text())
        name = document["version"]
        if not VERSION.fullmatch(name):
            raise ValueError("a version's name may only have lower-case letters, digits and hyphens")
        found = self.get(name)
        if found is not None:
            if origin == found.origin == "shipped":
                self._storage.put_file(f"perturbations/{name}/{FILES[1]}", folder / FILES[1])
            return found
        version = Version(
            origin=origin,
            created_at=datetime.now(UTC),
            training=training,
            warm_start=warm_start,
            **{key: document[key] for key in ("version", "epsilon", "weighting")},
            **{key: document[key] for key in _MEASURED if key in document},
        )
        for file in FILES:
            self._storage.put_file(f"perturbations/{name}/{file}", folder / file)
        self._storage.put(f"perturbations/{name}/record.json", version.model_dump_json().encode())
        return version

    def get(self, name: str) -> Version | None:
        """The record of a version."""
        if not VERSION.fullmatch(name):
            return None
        try:
            return Version.model_validate_json(self._storage.get(f"perturbations/{name}/record.json"))
        except FileNotFoundError:
            return None

    def all(self) -> list[Version]:
        """Every version, the newest first."""
        names = recorded(self._storage, "perturbations")
        found = [version for name in names if (version := self.get(name)) is not None]
        return sorted(found, key=lambda version: version.created_at, reverse=True)

    def fetch(self, name: str, folder: Path) -> None:
        """Copy the artifact of a version into ``folder``.

        Raises:
            NoSuchVersion: there is none of that name.
        """
        if self.get(name) is None:
            raise NoSuchVersion(name)
        for file in FILES:
            try:
                self._storage.get_file(f"perturbations/{name}/{file}", folder / file)
            except FileNotFoundError:
                raise NoSuchVersion(name) from None

    def log(self) -> list[Activation]:
        """Every activation, the oldest first."""
        keys = sorted(entry.key for entry in self._storage.entries(_LOG))
        return [Activation.model_validate_json(self._storage.get(key)) for key in keys[-_MOST_REPLAYED:]]

    def active(self) -> str | None:
        """The active version by the log; ``None`` before the first activation."""
        newest = self._newest()
        return None if newest is None else newest[1].version

    def announced(self) -> str | None:
        """The announced active version; if there is none, the one of the log."""
        raw = self._announcement()
        if raw is None:
            return self.active()
        name: str = json.loads(raw)["version"]  # whatever else an older release has announced
        return name

    def announcement(self) -> ActivePerturbation | None:
        """What is announced of the active version, once a worker has done so."""
        raw = self._announcement()
        return None if raw is None else ActivePerturbation.model_validate_json(raw)

    def announced_names(self) -> set[str]:
        """The versions that are announced: those a photo may ask for."""
        raw = set() if self._redis is None else cast("set[bytes]", self._redis.smembers(_NAMES))
        return {name.decode() for name in raw}

    def activate(self, name: str, *, reason: str) -> Version:
        """Make a version the active one, for every photo from now on. The active one stays what it is.

        Raises:
            NoSuchVersion: there is none of that name.
        """
        with one_at_a_time(self._redis, _LOCK):
            return self._activate(name, reason=reason, back=False)

    def roll_back(self) -> Version:
        """Activate the version that was active before this one.

        Raises:
            NothingBefore: there was none, or it has been deleted.
        """
        with one_at_a_time(self._redis, _LOCK):
            stack = _stack(self.log())
            # where what was active in between is deleted, the active one itself would come next
            before = (name for name in reversed(stack[:-1]) if name != stack[-1])
            name = next((name for name in before if self.get(name) is not None), None)
            if name is None:
                raise NothingBefore
            return self._activate(name, reason="rolled back", back=True)

    def delete(self, name: str) -> None:
        """Delete a version.

        Raises:
            NoSuchVersion: there is none of that name.
            VersionInUse: it is active, or ships with Poise.
        """
        with one_at_a_time(self._redis, _LOCK):
            version = self.get(name)
            if version is None:
                raise NoSuchVersion(name)
            if version.origin == "shipped" or self.active() == name:
                raise VersionInUse(name)
            self._storage.delete(f"perturbations/{name}/record.json")
            self._storage.delete_all(f"perturbations/{name}/")
        self.announce()

    def announce(self) -> None:
        """Announce in Redis what the storage holds."""
        if self._redis is None:
            return

        def announce(pipe: Pipeline) -> None:
            # the keys are watched before the log is read: an announcement that comes in between wins
            known = [version.version for version in self.all()]
            active = self.active()
            version = None if active is None else self.get(active)
            pipe.multi()
            pipe.delete(_NAMES)
            if known:
                pipe.sadd(_NAMES, *known)
            if version is not None:
                pipe.set(_ACTIVE, _announcement(version))

        self._redis.transaction(announce, _ACTIVE, _NAMES)

    def _announcement(self) -> bytes | None:
        return None if self._redis is None else cast("bytes | None", self._redis.get(_ACTIVE))

    def _activate(self, name: str, *, reason: str, back: bool) -> Version:
        version = self.get(name)
        if version is None:
            raise NoSuchVersion(name)
        number, newest = self._newest() or (0, None)
        if newest is None or newest.version != name:
            entry = Activation(version=name, at=datetime.now(UTC), reason=reason, back=back)
            self._storage.put(f"{_LOG}{number + 1:08d}-{secrets.token_hex(4)}.json", entry.model_dump_json().encode())
        self.announce()
        return version

    def _newest(self) -> tuple[int, Activation] | None:
        """The last entry of the log, and its number."""
        key = max((entry.key for entry in self._storage.entries(_LOG)), default=None)
        if key is None:
            return None
        number = int(key.removeprefix(_LOG).partition("-")[0])
        return number, Activation.model_validate_json(self._storage.get(key))


def _stack(log: list[Activation]) -> list[str]:
    """Versions by activation, the active one last; a roll-back takes away what was activated after its version."""
    stack: list[str] = []
    for entry in log:
        if entry.back and entry.version in stack:
            while stack[-1] != entry.version:
                stack.pop()
        else:
            stack.append(entry.version)
    return stack


def _announcement(version: Version) -> str:
    return ActivePerturbation(
        version=version.version, epsilon=version.epsilon, effect=version.effect, quality=version.quality
    ).model_dump_json()
