"""The perturbations and generators a worker process has loaded, out of the installation's storage."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from app.contracts.logs import event
from app.contracts.records.catalogue import Catalogue, Plan
from app.contracts.records.datasets import SYNTHETIC, Dataset
from app.contracts.records.generator_store import Generators
from app.contracts.records.versions import NoSuchVersion, Versions
from perturbations import artifact
from perturbations.artifact import Perturbation
from perturbations.checkpoints.loading import sha256
from perturbations.checkpoints.shipped import shipped_names
from perturbations.data import open_faces
from perturbations.data.synthetic import synthetic_faces
from perturbations.errors import BadArtifact, BadFaces
from perturbations.targets.interface import Target
from perturbations.targets.registry import names as architectures
from perturbations.training.config import PRESETS
from perturbations.weighting import names as weightings
from worker.generators import quarantine
from worker.generators.loaded import LoadedGenerators
from worker.generators.surrogates import Surrogates

_log = logging.getLogger(__name__)

_OTHERS: Final = 2
"""Earlier versions that photos are searched for; each takes a few milliseconds a face."""
_KEPT: Final = 4
"""Perturbations kept in memory; one takes less than a megabyte."""


class Library:
    """Loads each version and each generator once, and notices what changes.

    surrogates: the generators that ship. scratch: where files lie for a moment. scored_by: names of the generators that
    score photos; all do if it is empty.
    """

    def __init__(
        self,
        versions: Versions,
        generators: Generators,
        surrogates: Surrogates,
        *,
        scratch: Path,
        scored_by: Sequence[str] = (),
    ) -> None:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scratch = scratch
        self._versions = versions
        self._generators = generators
        self._loaded_generators = LoadedGenerators(generators, surrogates, scratch=scratch, scored_by=scored_by)
        self._loaded: dict[str, Perturbation] = {}
        self._others: dict[str, tuple[Perturbation, ...]] = {}
        self._active: str | None = None
        self._lock = threading.Lock()

    def catalogue(self) -> Catalogue:
        """What every machine has besides: the generators that ship, and the faces, unless they are missing."""
        try:
            path = synthetic_faces()
        except BadFaces:
            faces = None
        else:
            faces = Dataset(
                name=SYNTHETIC,
                created_at=None,
                bytes=path.stat().st_size,
                sha256=sha256(path),
                faces=len(open_faces([path])),
                shipped=True,
            )
        return Catalogue(
            targets=shipped_names(),
            faces=faces,
            architectures=architectures(),
            weightings=weightings(),
            presets=tuple(PRESETS),
            plans={name: Plan(steps=config.steps, batch=config.batch_size) for name, config in PRESETS.items()},
        )

    def perturbation(self, name: str | None = None) -> Perturbation:
        """A version; the currently active one if none is named.

        Raises:
            NoSuchVersion: there is none of that name.
            BadArtifact: it is damaged.
        """
        wanted = name or self._versions.announced()
        if wanted is None:
            raise BadArtifact("no perturbation is active; activate one")
        with self._lock:
            return self._get(wanted)

    def others(self, name: str) -> tuple[Perturbation, ...]:
        """Versions besides ``name`` that were active most recently: photos may carry them."""
        active = self._versions.announced()
        with self._lock:
            if active != self._active:
                self._active = active
                self._others.clear()
            if name not in self._others:
                used = dict.fromkeys(entry.version for entry in reversed(self._versions.log()))
                wanted = [version for version in used if version != name][:_OTHERS]
                self._others[name] = tuple(self._usable(wanted))
                _trim(self._others)
            return self._others[name]

    def _usable(self, names: Sequence[str]) -> Iterator[Perturbation]:
        for name in names:
            try:
                yield self._get(name)
            except (NoSuchVersion, BadArtifact):
                event(_log, "perturbation.left_out", level=logging.WARNING, version=name)

    def targets(self, *, twins: bool) -> tuple[Target, ...]:
        """The generators that score photos, or their twins: those that ship and the enabled ones of the store."""
        with self._lock:
            return self._loaded_generators.targets(twins=twins)

    def scoring_surrogates(self, *, twins: bool) -> tuple[Target, ...]:
        """Those of :meth:`targets` that ship."""
        with self._lock:
            return self._loaded_generators.scoring_surrogates(twins=twins)

    def chosen(self, names: Sequence[str]) -> tuple[list[Target], list[Target], dict[str, str]]:
        """Generators to train against, their twins if any, and the hashes of their checkpoints by name.

        All are on the fastest device.

        Raises:
            UnknownName: one does not exist, or is not enabled.
            BadCheckpoint: one is damaged.
        """
        return self._loaded_generators.chosen(names)

    def check(self, key: str) -> None:
        """Check a generator in quarantine: it is enabled if it fits, and refused with the reason if not."""
        quarantine.check(self._generators, key, scratch=self._scratch)

    def _get(self, name: str) -> Perturbation:
        found = self._loaded.pop(name, None) or self._load(name)
        self._loaded[name] = found
        _trim(self._loaded)
        return found

    def _load(self, name: str) -> Perturbation:
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            self._versions.fetch(name, Path(folder))
            found = artifact.load(Path(folder))
        if found.version != name:
            raise BadArtifact(f"{name} holds another version, {found.version}; restore it from a backup")
        event(_log, "perturbation.loaded", version=name)
        return found


def _trim(kept: dict[str, Any]) -> None:
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
