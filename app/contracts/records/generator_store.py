"""The added generators of an installation: a checkpoint and a record of each, in the storage.

They are kept under ``architectures/<key>/``: files named by their content, and ``record.json``, which is written last.
Both the service and the command line write here. A stamp tells every worker on every host when something has changed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from redis import Redis

from app.contracts.generator_limits import Allowance
from app.contracts.generator_options import GivenDetails
from app.contracts.names import GENERATOR_NAME
from app.contracts.problems import Conflict, Unprocessable
from app.contracts.records.generators import (
    RULES,
    TWIN,
    Generator,
    GeneratorExists,
    NoRoom,
    NoSuchGenerator,
    NotChecked,
    NoTwin,
    Origin,
    is_key,
    model_of,
)
from app.contracts.records.stamp import Stamp
from app.contracts.redis.locks import one_at_a_time
from app.contracts.storage import Storage, recorded

_LOCK: Final = "poise:architectures:lock"


class Generators:
    """The generators in one storage. redis: where changes are announced; ``None`` to announce none."""

    def __init__(self, storage: Storage, redis: Redis | None, allowance: Allowance | None = None) -> None:
        self._storage = storage
        self._redis = redis
        self.stamp = Stamp(storage, redis, "generators")
        self.allowance = allowance or Allowance()

    def add(
        self,
        path: Path,
        *,
        name: str,
        sha256: str,
        details: GivenDetails | None = None,
        twin: bool = False,
        licence: str = "",
        origin: Origin = "uploaded",
    ) -> Generator:
        """Add the checkpoint at ``path`` in quarantine.

        Raises:
            GeneratorExists: the name is taken.
            NoRoom: the store is full.
            NoTwin: the generator of the twin does not exist.
            ValueError: the name cannot be used.
        """
        details = details or GivenDetails()
        record = Generator(
            name=name,
            created_at=datetime.now(UTC),
            bytes=path.stat().st_size,
            sha256=sha256,
            image_size=details.image_size,
            edits=list(details.edits) if isinstance(details.edits, (list, dict)) else None,
            twin=twin,
            licence=licence,
            origin=origin,
            told=details,
            rules=RULES,
        )
        return self.keep(record, path)

    def keep(self, record: Generator, path: Path, *, limited: bool = True) -> Generator:
        """Add a generator with a complete record, and its file: the weights, if it has been checked already.

        limited: whether the limit on their number applies.

        Raises:
            GeneratorExists: the name is taken.
            NoRoom: the store is full.
            NoTwin: it cannot be a twin of that generator.
            ValueError: the name cannot be used.
        """
        if not GENERATOR_NAME.fullmatch(record.name):
            raise ValueError("a generator's name may only have lower-case letters, digits and underscores")
        if self.get(record.key) is not None:
            raise GeneratorExists(record.key)
        if limited and not record.twin:
            self.check_number()
        if record.twin and (reason := self._no_twin(record)) is not None:
            raise NoTwin(reason)
        self._storage.put_file(_weights(record), path)
        with one_at_a_time(self._redis, _LOCK):
            first = self.get(record.key)
            room = record.twin or not limited or self._number() < self.allowance.most
            if first is None and room:
                self._disable_without_room(record)
                self._put(record)
                return record
        if first is None or _weights(first) != _weights(record):
            self._storage.delete(_weights(record))
        if first is None:
            self.check_number()
        raise GeneratorExists(record.key)

    def check_number(self) -> None:
        """Make sure that another generator can be added.

        Raises:
            NoRoom: the store is full.
        """
        if self._number() >= self.allowance.most:
            raise NoRoom(
                f"There are already {self.allowance.most} added generators, the limit (POISE_MAX_GENERATORS); "
                "delete one first."
            )

    def get(self, key: str) -> Generator | None:
        """The record of a generator, or of a twin."""
        if not is_key(key):
            return None
        try:
            return Generator.model_validate_json(self._storage.get(_record(key)))
        except FileNotFoundError:
            return None

    def all(self) -> list[Generator]:
        """All generators, by name, each twin after its generator."""
        found = (self.get(key) for key in self._keys())
        return [record for record in found if record is not None]

    def enabled(self) -> list[Generator]:
        """The enabled generators, by name."""
        return self.in_use()[0]

    def in_use(self) -> tuple[list[Generator], list[Generator]]:
        """The enabled generators, by name, and their enabled twins."""
        on = {record.key: record for record in self.all() if record.status == "enabled"}
        own = [record for record in on.values() if not record.twin]
        return own, [record for record in on.values() if record.twin and record.name in on]

    def checked(self, record: Generator, weights: Path | None = None) -> None:
        """Store the result of a check, unless the generator has been deleted, replaced or checked meanwhile.

        weights: the file to load from now on, if it is a copy; the original file is then deleted.
        """
        if weights is not None and record.weights is not None:
            self._storage.put_file(_weights(record), weights)
        with one_at_a_time(self._redis, _LOCK):
            now = self.get(record.key)
            due = now is not None and (now.sha256, now.status) == (record.sha256, "checking")
            if due:
                self._refuse_odd_twin(record)
                self._disable_without_room(record)
                self._put(record)
        if weights is not None:  # if another check has kept the same file, the sweeper removes orphans
            if due and record.weights != record.sha256:
                self._storage.delete(_checkpoint(record))
            elif now is None:
                self._storage.delete(_weights(record))

    def enable(self, key: str, *, enabled: bool) -> Generator:
        """Use a generator, or stop using it.

        Raises:
            NoSuchGenerator: there is none of that name.
            NotChecked: it has not been checked yet, or was refused.
            NoRoom: with the enabled ones, it would exceed the limits.

        One that only an older version has checked is checked again first.
        """
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(key)
            if record is None:
                raise NoSuchGenerator(key)
            if not record.checked:
                raise NotChecked(key)
            if enabled and (record.weights is None or record.rules < RULES):
                return self._quarantined(record)
            if enabled and (reason := self._no_room(record)) is not None:
                raise NoRoom(reason)
            record.status = "enabled" if enabled else "disabled"
            record.error = None
            self._put(record)
        return record

    def check_again(self, key: str) -> None:
        """Put a generator that an older version has enabled back into quarantine."""
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(key)
            if record is not None and record.outdated:
                self._quarantined(record)

    def delete(self, key: str) -> None:
        """Delete a generator and its twin.

        Raises:
            NoSuchGenerator: there is none of that name.
        """
        with one_at_a_time(self._redis, _LOCK):
            record = self.get(key)
            if record is None:
                raise NoSuchGenerator(key)
            twin = None if record.twin else self.get(key + TWIN)
            for gone in (twin, record):
                if gone is not None:
                    self._storage.delete(_record(gone.key))
                    for file in {_checkpoint(gone), _weights(gone)}:
                        self._storage.delete(file)
        self.stamp.change()

    def fetch(self, key: str, path: Path) -> None:
        """Copy its file to ``path``: the one that was added or, once it is checked, the one that is loaded.

        Raises:
            NoSuchGenerator: there is none of that name.
        """
        record = self.get(key)
        if record is None:
            raise NoSuchGenerator(key)
        try:
            self._storage.get_file(_weights(record), path)
        except FileNotFoundError:
            raise NoSuchGenerator(key) from None

    def _keys(self) -> list[str]:
        return recorded(self._storage, "architectures")

    def _number(self) -> int:
        return sum(model_of(key) is None for key in self._keys())

    def _quarantined(self, record: Generator) -> Generator:
        """Put it into quarantine; the sweeper's next message has it checked."""
        record.status, record.attempts, record.error = "checking", 0, None
        self._put(record)
        return record

    def _refuse_odd_twin(self, record: Generator) -> None:
        if record.twin and record.checked and (reason := self._no_twin(record)) is not None:
            record.status, record.error = "refused", Unprocessable(reason).document()

    def _no_twin(self, record: Generator) -> str | None:
        """Why it cannot be a twin; ``None`` if it can."""
        model = self.get(record.name)
        if model is None:
            return f"There is no generator called {record.name}; add it before its twin."
        if model.status == "refused" or model.architecture is None:
            return f"{record.name} has not been checked yet, or was refused; add a twin once its generator is checked."
        if record.architecture not in (None, model.architecture):
            return f"{record.name} is a {model.architecture}; its twin cannot be a {record.architecture}."
        return None

    def _disable_without_room(self, record: Generator) -> None:
        if record.status == "enabled" and (reason := self._no_room(record)) is not None:
            record.status, record.error = "disabled", Conflict(reason).document()

    def _no_room(self, record: Generator) -> str | None:
        """Why a generator cannot be enabled in addition to the others; ``None`` if it can."""
        others = (other for other in self.all() if other.status == "enabled" and other.key != record.key)
        all_ = [record, *others]
        return self.allowance.exceeded(sum(a.seconds or 0.0 for a in all_), sum(a.megabytes or 0 for a in all_))

    def _put(self, record: Generator) -> None:
        self._storage.put(_record(record.key), record.model_dump_json().encode())
        self.stamp.change()


def _checkpoint(record: Generator) -> str:
    """Named by its content, so that two uploads under one name do not overwrite each other."""
    return f"architectures/{record.key}/{record.sha256}"


def _weights(record: Generator) -> str:
    """The file that is loaded; before the check, the one that was added."""
    return f"architectures/{record.key}/{record.weights or record.sha256}"


def _record(key: str) -> str:
    return f"architectures/{key}/record.json"
