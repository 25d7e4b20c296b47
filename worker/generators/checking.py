"""Trying a generator that came from outside, before anything is done with it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.contracts.generator_limits import Allowance
from app.contracts.generator_options import GivenDetails
from perturbations.checkpoints import CheckpointInfo
from perturbations.checkpoints.reading import MAX_BYTES, weights_file
from perturbations.errors import BadCheckpoint, MissingDetails
from worker.generators import confined

_READING: Final = 4
"""Memory that reading takes for a moment, in sizes of the file: as stored, in single precision, written again."""
_BESIDE_MEGABYTES: Final = 400
"""What the libraries of some architectures take, which are loaded when such a file is."""
_BARE_MEGABYTES: Final = 600
"""What Python and torch take by themselves."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a checkpoint is, and the file to load it from: safetensors, for which no unpickler is needed.

    edit_seconds: of one processor, for the dearest edit; face_seconds: for one face, all edits of the original and of
    the protected copy. megabytes: the weights, and what an edit takes on top. converted: ``kept`` is not the file.
    assumed: what of its configuration nobody has said.
    """

    info: CheckpointInfo
    kept: Path
    kept_sha256: str
    converted: bool
    edit_seconds: float
    face_seconds: float
    megabytes: int
    assumed: tuple[str, ...] = ()


def tried(
    path: Path,
    copy: Path,
    *,
    allowance: Allowance,
    details: GivenDetails | None = None,
    recorded: Mapping[str, Any] | None = None,
    may_assume: bool = False,
) -> Tried:
    """Load a checkpoint and run its edits, in a process of its own that has ``allowance``.

    Args:
        copy: where safetensors are written where the file is none.
        details: what was given when it was added.
        recorded: the fields of :class:`~perturbations.checkpoints.details.RecordedDetails` instead.
        may_assume: take for granted what nobody has said.

    Raises:
        MissingDetails: something has to be said about it.
        BadCheckpoint: it is no generator of ours, or takes more than it may.
    """
    file = weights_file(path)
    size = file.stat().st_size if file.is_file() else 0
    memory = allowance.megabytes + _READING * math.ceil(size / 1e6) + _BESIDE_MEGABYTES
    task = {
        "path": str(path.absolute()),
        "copy": str(copy.absolute()),
        "given": (details or GivenDetails()).model_dump(),
        "recorded": recorded,
        "may_assume": may_assume,
        "face_seconds": allowance.seconds,
        "memory_megabytes": memory,
        "file_bytes": 2 * MAX_BYTES,
    }
    with tempfile.TemporaryDirectory(dir=copy.parent) as folder:
        ended = confined.run(
            "worker.generators.trial",
            task,
            folder=Path(folder),
            processor_seconds=allowance.check_seconds,
            megabytes=memory + _BARE_MEGABYTES,
        )
    answer = ended.answer
    if answer is None:
        raise BadCheckpoint(_died(ended, allowance))
    if "missing" in answer:
        raise MissingDetails(answer["refused"], tuple(answer["missing"]))
    if "refused" in answer:
        raise BadCheckpoint(answer["refused"])
    if "too_large" in answer:
        raise BadCheckpoint(
            f"it wants more memory than there is for it, and was stopped after {answer['seconds']:.1f} s with "
            f"{answer['megabytes']} MB; {allowed(allowance)}"
        )
    info = CheckpointInfo(**answer["info"])
    found = Tried(
        info=info,
        kept=copy if answer["converted"] else file,
        kept_sha256=answer["copy_sha256"],
        converted=answer["converted"],
        edit_seconds=answer["edit_seconds"],
        face_seconds=answer["face_seconds"],
        megabytes=answer["megabytes"],
        assumed=tuple(answer["assumed"]),
    )
    if found.face_seconds > allowance.seconds or found.megabytes > allowance.megabytes:
        raise BadCheckpoint(
            f"one edit takes {found.edit_seconds:.1f} s of one processor and {found.megabytes} MB, and one face with "
            f"its {len(info.config['edits'])} edits {found.face_seconds:.0f} s; {allowed(allowance)}"
        )
    return found


def allowed(allowance: Allowance) -> str:
    """The end of a refusal: what there is, and where to change that."""
    return (
        f"allowed are {allowance.seconds} s a face (POISE_GENERATOR_SECONDS) and {allowance.megabytes} MB "
        "(POISE_GENERATOR_MEGABYTES)"
    )


def _died(ended: confined.Ended, allowance: Allowance) -> str:
    how = f"after {ended.seconds:.0f} s with {ended.megabytes} MB"
    if ended.stopped:
        return (
            f"its check was stopped {how}; allowed are {allowance.check_seconds} s of one processor "
            f"(POISE_CHECK_SECONDS) and {allowance.megabytes} MB (POISE_GENERATOR_MEGABYTES)"
        )
    return f"its check died {how}, so it is damaged or means harm"
