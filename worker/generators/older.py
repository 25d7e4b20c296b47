"""Moves generators that older versions registered in a separate folder into the store.

In that folder, ``NAME.json`` is the record of ``NAME.checkpoint``, and ``NAME-twin`` is a twin. The record of a moved
generator is renamed to ``NAME.json.moved``; no file is deleted.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from app.contracts.logs import event
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import TWIN, Generator, GeneratorExists, NoTwin
from perturbations.checkpoints.loading import sha256

_log = logging.getLogger(__name__)

MOVED: Final = ".moved"
"""Added to the name of a record that has been moved."""


def move(folder: Path, generators: Generators) -> list[str]:
    """Move the generators registered in ``folder`` into the store, to be checked there.

    Returns one sentence for each that could not be moved, with the reason.
    """
    left: list[str] = []
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem):  # each generator before its twin
        try:
            _move(path, generators)
        except (ValueError, KeyError, TypeError, FileNotFoundError, GeneratorExists, NoTwin) as error:
            left.append(_reason(path, error))
            event(_log, "generator.not_moved", level=logging.WARNING, target=path.stem, error=type(error).__name__)
            continue
        with suppress(FileNotFoundError):  # another process has renamed it
            path.rename(path.with_name(path.name + MOVED))
        event(_log, "generator.moved", target=path.stem)
    return left


def _move(path: Path, generators: Generators) -> None:
    found: dict[str, Any] = json.loads(path.read_text())
    checkpoint = path.with_suffix(".checkpoint")
    digest = sha256(checkpoint)
    if digest != found["sha256"]:
        raise ValueError("its checkpoint has changed since it was registered")
    config = dict(found["config"])
    record = Generator(
        name=found["name"],
        twin=found["twin"],
        created_at=datetime.fromisoformat(found["added"]),
        bytes=checkpoint.stat().st_size,
        sha256=digest,
        architecture=found["architecture"],
        paradigm=found["paradigm"],
        parameters=found["parameters"],
        config=config,
        image_size=config["image_size"],
        edits=list(config["edits"]),
        licence=found["licence"],
        origin="registered",
    )
    try:
        generators.keep(record, checkpoint, limited=False)
    except GeneratorExists:
        before = generators.get(record.key)
        # otherwise it was moved by another process, or by one that was killed before it renamed the record
        if before is None or before.sha256 != digest:
            raise


def _reason(path: Path, error: Exception) -> str:
    twin = path.stem.endswith(TWIN)
    again = f"`poise targets add {path.stem.removesuffix(TWIN)}{' --twin' if twin else ''}`"
    if isinstance(error, GeneratorExists):
        return f"{path} cannot be moved: the name is taken by another generator; add its checkpoint under another name"
    if isinstance(error, NoTwin):
        return f"{path} cannot be moved yet: {error}"
    return f"{path} cannot be moved ({error or type(error).__name__}); add its checkpoint again: {again}"
