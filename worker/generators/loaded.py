"""The generators a process has loaded, each once: those that ship, then those of the store."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.contracts.logs import event
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import Generator, NoSuchGenerator
from perturbations.checkpoints.loading import load_checkpoint, sha256
from perturbations.checkpoints.shipped import left_out, shipped_names, surrogate_hashes
from perturbations.errors import BadCheckpoint, MissingExtra, PoiseError, UnknownName
from perturbations.targets.interface import Target
from worker.generators.surrogates import Surrogates

_log = logging.getLogger(__name__)

_Loaded = dict[tuple[str, str], Target]
"""Generators by key and SHA-256 of their weights."""
_NEVER: Final = "never looked"


class LoadedGenerators:
    """Loads each generator once, and notices changes in the store.

    generators: the store; ``None`` if nothing was ever added. surrogates: those that ship. scratch: folder for
    temporary files; the system's if ``None``. scored_by: names of those that score photos; all do if it is empty, or if
    none of them can be loaded.
    """

    def __init__(
        self,
        generators: Generators | None,
        surrogates: Surrogates,
        *,
        scratch: Path | None,
        scored_by: Sequence[str] = (),
    ) -> None:
        self._generators = generators
        self._surrogates = surrogates
        self._scratch = scratch
        self._scored_by = tuple(scored_by)
        self._scoring: tuple[str, ...] | None = None
        self._stamp = _NEVER
        self._loaded: _Loaded = {}
        self._twins: _Loaded = {}

    def targets(self, *, twins: bool) -> tuple[Target, ...]:
        """The generators that score photos, or their twins: those that ship, then enabled ones of the store.

        One that cannot be loaded is skipped, so that the others can score.
        """
        self._look()
        added = self._twins if twins else self._loaded
        return (*self._surrogates.shipped(twins=twins, only=self._scoring), *added.values())

    def scoring_surrogates(self, *, twins: bool) -> tuple[Target, ...]:
        """Those of :meth:`targets` that ship."""
        self._look()
        return self._surrogates.shipped(twins=twins, only=self._scoring)

    def chosen(self, names: Sequence[str] | None = None) -> tuple[list[Target], list[Target], dict[str, str]]:
        """Generators to train against, all if ``None``, their twins, and the hashes of their checkpoints by name.

        They are in the order reports use.

        Raises:
            UnknownName: one does not exist, or is not enabled.
            MissingExtra: one needs an optional dependency that is not installed.
            BadCheckpoint: one is damaged.
        """
        enabled, twins = self._records()
        known = [*shipped_names(), *enabled]
        for name in names or ():
            _check_known(name, known)
        wanted = [name for name in known if names is None or name in names]
        ours = {target.name: target for target in self._surrogates.shipped(twins=False, only=wanted)}
        of_ours = self._surrogates.shipped(twins=True, only=wanted)
        digests = surrogate_hashes() if ours else {}
        targets = [ours[name] if name in ours else self._load(enabled[name]) for name in wanted]
        added = [self._load(twins[name]) for name in wanted if name in twins]
        hashes = {name: digests[name] if name in ours else enabled[name].sha256 for name in wanted}
        return targets, [*of_ours, *added], hashes

    def _records(self) -> tuple[dict[str, Generator], dict[str, Generator]]:
        """Enabled generators, and their twins, by name."""
        if self._generators is None:
            return {}, {}
        enabled, twins = self._generators.in_use()
        return {record.name: record for record in enabled}, {record.name: record for record in twins}

    def _look(self) -> None:
        if self._generators is None:
            self._scoring = self._chosen_to_score(())
            return
        stamp = self._generators.stamp.now()  # read first: a later change gives another stamp, which the next call sees
        if stamp == self._stamp:
            return
        enabled, twins = self._generators.in_use()
        named = self._readable([record for record in enabled if record.name in self._scored_by], self._loaded)
        self._scoring = self._chosen_to_score([target.name for target in named.values()])
        self._loaded = self._readable(enabled, self._loaded) if self._scoring is None else named
        self._twins = self._readable(self._that_score(twins), self._twins)
        self._stamp = stamp

    def _chosen_to_score(self, added: Sequence[str]) -> tuple[str, ...] | None:
        """The names of those that score, of those that can be loaded; ``None`` if all do. Others are logged."""
        if not self._scored_by:
            return None
        there = {*shipped_names(), *added}
        if missing := [name for name in self._scored_by if name not in there]:
            event(_log, "score.no_such_generator", level=logging.WARNING, names=",".join(missing))
        return tuple(name for name in self._scored_by if name in there) or None

    def _that_score(self, records: Sequence[Generator]) -> list[Generator]:
        return [record for record in records if self._scoring is None or record.name in self._scoring]

    def _readable(self, records: Sequence[Generator], before: _Loaded) -> _Loaded:
        targets: _Loaded = {}
        for record in records:
            key = (record.key, record.weights or "")
            try:
                targets[key] = before.get(key) or self._load(record)
            except (PoiseError, NoSuchGenerator) as error:
                event(_log, "architecture.unusable", level=logging.ERROR, error=type(error).__name__)
        return targets

    def _load(self, record: Generator) -> Target:
        """A generator of the store.

        Raises:
            NoSuchGenerator: it has just been deleted.
            BadCheckpoint: it is damaged, or this version has not checked it.
        """
        if record.weights is None or record.outdated or self._generators is None:
            raise BadCheckpoint(f"the checkpoint of {record.name} has yet to be checked again after an upgrade")
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / "checkpoint"
            self._generators.fetch(record.key, path)
            if sha256(path) != record.weights:
                raise BadCheckpoint(f"the checkpoint of {record.name} is damaged; delete it and add it again")
            target = load_checkpoint(path, architecture=record.architecture, config=record.config)
        target.registered_name = record.name
        return target.to(self._surrogates.device)


def _check_known(name: str, known: Sequence[str]) -> None:
    if name in known:
        return
    if name in (missing := left_out()):
        raise MissingExtra(f"{name} {missing[name]}")
    raise UnknownName("target", name, known)
