"""The perturbations and generators a worker process has loaded, out of the installation's storage."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.contracts.logs import event
from app.contracts.problems import Unprocessable
from app.contracts.records.architectures import Architecture, Architectures, NoSuchArchitecture
from app.contracts.records.catalogue import Catalogue
from app.contracts.records.datasets import SYNTHETIC, Dataset
from app.contracts.records.versions import Versions
from perturbations import artifact
from perturbations.artifact import Perturbation
from perturbations.checkpoints.active import active_hashes, active_names
from perturbations.checkpoints.loading import sha256
from perturbations.data import open_faces
from perturbations.data.synthetic import synthetic_faces
from perturbations.errors import BadArtifact, BadCheckpoint, BadFaces, PoiseError, UnknownName
from perturbations.precision import fastest_device
from perturbations.targets.interface import Target
from worker.explanations import sentence
from worker.generators.checking import Tried, tried
from worker.generators.surrogates import Surrogates
from worker.generators.uploads import load_upload

_log = logging.getLogger(__name__)

MOST_CHECKS: Final = 3
"""How often a checkpoint may bring a worker down."""
_KEPT: Final = 4
"""Perturbations kept in memory; one takes less than a megabyte."""


class Library:
    """Loads each version and each generator once, and notices what changes.

    surrogates: generators that need no upload. scratch: where files lie for a moment.
    """

    def __init__(
        self, versions: Versions, architectures: Architectures, surrogates: Surrogates, *, scratch: Path
    ) -> None:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scratch = scratch
        self._versions = versions
        self._architectures = architectures
        self._surrogates = surrogates
        self._loaded: dict[str, Perturbation] = {}
        self._uploaded: dict[tuple[str, str], Target] = {}
        self._generation: int | None = None
        self._lock = threading.Lock()

    def catalogue(self) -> Catalogue:
        """What this machine has besides: generators, and the faces that ship, unless they are missing."""
        try:
            path = synthetic_faces()
        except BadFaces:
            shipped = None
        else:
            shipped = Dataset(
                name=SYNTHETIC,
                created_at=None,
                bytes=path.stat().st_size,
                sha256=sha256(path),
                faces=len(open_faces([path])),
                shipped=True,
            )
        return Catalogue(targets=active_names(self._surrogates.registered), faces=shipped)

    def perturbation(self, name: str | None = None) -> Perturbation:
        """A version; the active one, as it is at this moment, where none is named.

        Raises:
            NoSuchVersion: there is none of that name.
            BadArtifact: it is damaged.
        """
        wanted = name or self._versions.announced()
        if wanted is None:
            raise BadArtifact("no perturbation is active; activate one")
        with self._lock:
            found = self._loaded.pop(wanted, None) or self._load(wanted)
            self._loaded[wanted] = found
            while len(self._loaded) > _KEPT:
                del self._loaded[next(iter(self._loaded))]
        return found

    def targets(self, *, twins: bool) -> tuple[Target, ...]:
        """The generators that keep score: those that ship (or their twins), and the uploaded ones that are enabled."""
        if twins:
            return self._surrogates.all(twins=True)
        with self._lock:
            generation = self._architectures.generation()
            if generation != self._generation:
                self._uploaded = self._readable()
                self._generation = generation
            return (*self._surrogates.all(twins=False), *self._uploaded.values())

    def chosen(self, names: Sequence[str]) -> tuple[list[Target], list[Target], dict[str, str]]:
        """Generators to train against, the twins there are of them, and the hashes of their checkpoints by name.

        All are on the fastest device.

        Raises:
            UnknownName: one is not there, or not enabled.
            BadCheckpoint: one is damaged.
        """
        enabled = {record.name: record for record in self._architectures.enabled()}
        shipped = {target.name: target for target in self._surrogates.all(twins=False)}
        digests = active_hashes(list(shipped), library=self._surrogates.registered)
        targets: list[Target] = []
        hashes: dict[str, str] = {}
        for name in names:
            if name in shipped:
                targets.append(shipped[name])
                hashes[name] = digests[name]
            elif name in enabled:
                targets.append(self._load_target(enabled[name]))
                hashes[name] = enabled[name].sha256
            else:
                raise UnknownName("target", name, [*shipped, *enabled])
        twins = [twin for twin in self._surrogates.all(twins=True) if twin.name in names]
        return targets, twins, hashes

    def check(self, name: str) -> None:
        """Look at an uploaded checkpoint: it is enabled if it fits, and refused with the reason if it does not."""
        record = self._architectures.get(name)
        if record is None or record.status != "checking":
            return
        record.attempts += 1
        if record.attempts > MOST_CHECKS:
            record.status = "refused"
            record.error = Unprocessable("The check brought its worker down, or never came to an end.").document()
        # counted before anything else: whatever the file does to this process, it cannot do so for ever
        self._architectures.checked(record)
        if record.status == "refused":
            return
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path, copy = Path(folder) / "checkpoint", Path(folder) / "weights"
            try:
                self._architectures.fetch(name, path)
                if sha256(path) != record.sha256:
                    raise BadCheckpoint("the checkpoint was damaged on its way; upload it again")
                found = tried(path, copy, allowance=self._architectures.allowance)
            except NoSuchArchitecture:
                return
            except PoiseError as error:
                record.status = "refused"
                record.error = Unprocessable(sentence(error)).document()
                self._architectures.checked(record)
            else:
                _enable(record, found)
                self._architectures.checked(record, found.kept if found.converted else None)
        event(_log, "architecture.checked", status=record.status)

    def _load(self, name: str) -> Perturbation:
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            self._versions.fetch(name, Path(folder))
            found = artifact.load(Path(folder))
        if found.version != name:
            raise BadArtifact(f"{name} holds another version, {found.version}; restore it from a backup")
        event(_log, "perturbation.loaded", version=name)
        return found

    def _readable(self) -> dict[tuple[str, str], Target]:
        """Enabled uploads by name and hash; one that cannot be loaded must not keep the others from scoring."""
        targets: dict[tuple[str, str], Target] = {}
        for record in self._architectures.enabled():
            key = (record.name, record.sha256)
            try:
                targets[key] = self._uploaded.get(key) or self._load_target(record)
            except (PoiseError, NoSuchArchitecture) as error:
                event(_log, "architecture.unusable", level=logging.ERROR, error=type(error).__name__)
        return targets

    def _load_target(self, record: Architecture) -> Target:
        return load_upload(self._architectures, record, device=fastest_device(), scratch=self._scratch)


def _enable(record: Architecture, found: Tried) -> None:
    """Record that a checkpoint fits, and what it is and takes."""
    record.status = "enabled"
    record.architecture, record.paradigm = found.info.architecture, found.info.paradigm
    record.parameters, record.config = found.info.parameters, dict(found.info.config)
    record.weights = found.kept_sha256
    record.seconds, record.megabytes = round(found.face_seconds, 2), found.megabytes
