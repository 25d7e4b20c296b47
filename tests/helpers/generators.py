"""Generators of the store, put there without the trial that would have filled their records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import RULES, Generator
from perturbations.checkpoints import load_checkpoint, sha256


def kept(generators: Generators, name: str, path: Path, **changes: Any) -> Generator:
    """The checkpoint at ``path``, safetensors with a note, enabled under ``name``."""
    target, digest = load_checkpoint(path), sha256(path)
    record = Generator(
        name=name,
        status="enabled",
        created_at=datetime.now(UTC),
        bytes=path.stat().st_size,
        sha256=digest,
        weights=digest,
        architecture=target.architecture,
        paradigm=target.paradigm,
        config=dict(target.config),
        image_size=target.image_size,
        edits=list(target.edits),
        seconds=0.1,
        megabytes=1,
        rules=RULES,
    )
    return generators.keep(record.model_copy(update=changes), path)
