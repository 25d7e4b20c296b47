"""Checks new generators in the store. One that fits is enabled; any other is refused, with the reason.

Until then a generator is in quarantine (its status is ``checking``) and nothing uses it.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any, Final

from app.contracts.logs import event
from app.contracts.problems import Conflict, Unprocessable
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import RULES, Generator, NoSuchGenerator
from perturbations.checkpoints.loading import sha256
from perturbations.errors import BadCheckpoint, PoiseError
from worker.explanations import sentence
from worker.generators.checking import Tried, tried

_log = logging.getLogger(__name__)

MOST_CHECKS: Final = 3
"""How often the check of a checkpoint may crash a worker."""


def check(generators: Generators, key: str, *, scratch: Path | None) -> None:
    """Check a generator in quarantine. scratch: folder for its file during the check; the system's by default."""
    record = generators.get(key)
    if record is None or record.status != "checking":
        return
    record.attempts += 1
    if record.attempts > MOST_CHECKS:
        record.status = "refused"
        record.error = Unprocessable("Its check crashed the worker or did not finish, several times.").document()
    # counted first: a file that crashes this process cannot do so endlessly
    generators.checked(record)
    if record.status == "refused":
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path, copy = Path(folder) / "checkpoint", Path(folder) / "weights"
        try:
            generators.fetch(key, path)
            if sha256(path) != (record.weights or record.sha256):
                raise BadCheckpoint("the checkpoint was damaged in transit; add it again")
            found = tried(path, copy, allowance=generators.allowance, details=record.told, **_older(record))
        except NoSuchGenerator:
            return
        except PoiseError as error:
            record.status = "refused"
            record.error = Unprocessable(sentence(error)).document()
            generators.checked(record)
        else:
            enable(record, found)
            generators.checked(record, found.kept if found.converted else None)
    event(_log, "architecture.checked", status=record.status)


def enable(record: Generator, found: Tried) -> None:
    """Record that a checkpoint fits, what it is and what it costs. A person has to confirm assumed details."""
    record.status, record.rules = "enabled", RULES
    record.architecture, record.paradigm = found.info.architecture, found.info.paradigm
    record.parameters, record.config = found.info.parameters, dict(found.info.config)
    record.image_size, record.edits = found.info.config["image_size"], list(found.info.config["edits"])
    record.weights = found.kept_sha256
    record.seconds, record.megabytes = round(found.face_seconds, 2), found.megabytes
    if found.assumed:
        record.status, record.error = "disabled", Conflict(_assumption(record, found.assumed)).document()


def _older(record: Generator) -> dict[str, Any]:
    """Arguments to check a generator from an older version, which did not ask for missing details."""
    if record.rules >= RULES:
        return {}
    # it wrote notes of its own into the copies it made
    as_it_came = record.origin == "uploaded" and record.weights in (None, record.sha256)
    recorded = {"architecture": record.architecture, "config": record.config or {}, "note_counts": as_it_came}
    return {"recorded": recorded, "may_assume": True}


def _assumption(record: Generator, assumed: tuple[str, ...]) -> str:
    """What an older version assumed, and what to do about it."""
    what = {
        "image_size": f"works at {record.image_size} pixels",
        "edits": f"has the edits {', '.join(record.edits or ())}",
    }
    return (
        f"An older version assumed that this generator {' and '.join(what[field] for field in assumed)}; the "
        f"checkpoint does not say so. If this is right, enable it. If not, delete it and add it again with "
        f"{' and '.join(assumed)}."
    )
