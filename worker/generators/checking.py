"""Checks a generator from outside before it is used."""

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
"""Memory that reading needs briefly, in multiples of the file size: as stored, in single precision, written again."""
_BESIDE_MEGABYTES: Final = 400
"""Memory for libraries that some architectures load along with the file."""
_BARE_MEGABYTES: Final = 600
"""Memory that Python and torch need by themselves."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a checkpoint is, and the file to load it from: safetensors, which needs no unpickler.

    edit_seconds: processor seconds of the slowest edit; face_seconds: for one face, all edits of the original and of
    the protected copy. megabytes: for the weights and one edit. converted: ``kept`` is a copy, not the file itself.
    assumed: fields of its configuration that were neither given nor stated in the file.
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
    """Load a checkpoint and run its edits in a separate process, within ``allowance``.

    Args:
        copy: where safetensors are written if the file has another format.
        details: those given when it was added.
        recorded: fields of :class:`~perturbations.checkpoints.details.RecordedDetails`, used instead of ``details``.
        may_assume: assume missing details instead of refusing the checkpoint.

    Raises:
        MissingDetails: more details must be given.
        BadCheckpoint: it is not a known generator, or needs more than the limits allow.
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
            f"it needs more memory than the limit allows: its check was stopped after {answer['seconds']:.1f} s with "
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
            f"one edit takes {found.edit_seconds:.1f} s of processor time and {found.megabytes} MB, and one face with "
            f"its {len(info.config['edits'])} edits {found.face_seconds:.0f} s; {allowed(allowance)}"
        )
    return found


def allowed(allowance: Allowance) -> str:
    """The end of a refusal: the limits, and the settings that change them."""
    return (
        f"the limits are {allowance.seconds} s for one face (POISE_GENERATOR_SECONDS) and {allowance.megabytes} MB "
        "(POISE_GENERATOR_MEGABYTES)"
    )


def _died(ended: confined.Ended, allowance: Allowance) -> str:
    how = f"after {ended.seconds:.0f} s with {ended.megabytes} MB"
    if ended.stopped:
        return (
            f"its check was stopped {how}; the limits are {allowance.check_seconds} s of processor time "
            f"(POISE_CHECK_SECONDS) and {allowance.megabytes} MB (POISE_GENERATOR_MEGABYTES)"
        )
    return f"its check crashed {how}: the file is damaged or malicious"
