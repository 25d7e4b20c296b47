"""``python -m worker.generators.trial``: load an untrusted checkpoint and run its edits, in a process that may crash.

Started by :mod:`worker.generators.checking` through :mod:`worker.generators.confined`, which sets its limits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from perturbations.checkpoints.details import GivenDetails, RecordedDetails
from perturbations.checkpoints.loading import load_converted, sha256
from perturbations.checkpoints.reading import halves, weights_file
from perturbations.errors import BadCheckpoint, MissingDetails, PoiseError
from perturbations.targets.batches import fit
from perturbations.targets.interface import Target
from worker.generators import confined

PASSES: Final = 2
"""Runs of every edit for one face: on the original and on the protected copy."""
_NO_MEMORY: Final = ("allocate memory", "bad_alloc", "out of memory", "Cannot allocate")


def main() -> None:
    """Do the task from standard input."""
    task = confined.task()
    torch.set_num_threads(1)  # its cost is counted in seconds of one processor
    confined.confine(megabytes=task["memory_megabytes"], file_bytes=task["file_bytes"])
    bare, began = confined.resident_megabytes(), time.process_time()
    try:
        document = _document(task)
    except Exception as error:  # noqa: BLE001 - foreign weights in foreign code can raise anything
        if _is_memory(error):
            taken = max(0, confined.peak_megabytes() - bare)
            document = {"too_large": True, "seconds": time.process_time() - began, "megabytes": taken}
        elif isinstance(error, MissingDetails):
            document = {"refused": str(error), "missing": error.fields}
        elif isinstance(error, PoiseError):
            document = {"refused": str(error)}
        else:
            document = {"refused": f"{Path(task['path']).name} cannot be used ({type(error).__name__})"}
    confined.answer(task["answer"], document)


def _document(task: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint is, and what it costs.

    Raises:
        PoiseError: it is not a usable generator.
    """
    path, copy = weights_file(Path(task["path"])), Path(task["copy"])
    known = RecordedDetails(**task["recorded"]) if task["recorded"] is not None else GivenDetails(**task["given"])
    target, kept, assumed = load_converted(path, copy, known=known, may_assume=task["may_assume"])
    cost = measure(target, most_seconds=task["face_seconds"])
    came = path if len(halves(path)) == 1 else kept
    return {
        "assumed": assumed,
        "edit_seconds": cost.edit_seconds,
        "face_seconds": cost.face_seconds,
        "megabytes": cost.megabytes,
        "converted": kept == copy,
        "copy_sha256": sha256(kept),
        "info": {
            "architecture": target.architecture,
            "paradigm": target.paradigm,
            "config": dict(target.config),
            "parameters": sum(parameter.numel() for parameter in target.generator.parameters()),
            "bytes": came.stat().st_size,
            "sha256": sha256(came),
        },
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of the slowest edit, and of one face with all edits; memory for the weights and one pass."""

    edit_seconds: float
    face_seconds: float
    megabytes: int


def measure(target: Target, *, most_seconds: float) -> Cost:
    """Run every edit on one face. Stops once the estimate for all edits exceeds ``most_seconds``.

    Raises:
        BadCheckpoint: the output of an edit is not a picture.
    """
    weights = sum(tensor.numel() * tensor.element_size() for tensor in target.state_dict().values())
    noise = torch.Generator().manual_seed(0)
    face = torch.rand(1, 3, target.image_size, target.image_size, generator=noise) * 2 - 1
    confined.forget_peak()
    before = confined.resident_megabytes()
    took: list[float] = []
    for edit in target.edits:
        took.append(_run(target, face, edit))
        expected = PASSES * sum(took) * len(target.edits) / len(took)
        if expected > most_seconds:
            break
    else:
        _run_together(target, torch.cat([face] * PASSES))
    return Cost(max(took), expected, weights // 1_000_000 + max(0, confined.peak_megabytes() - before))


@torch.inference_mode()
def _run(target: Target, face: torch.Tensor, edit: str) -> float:
    """Processor seconds of one edit."""
    began = time.process_time()
    try:
        made = target(face, edit)
    except MemoryError:
        raise
    except Exception as error:
        if _is_memory(error):
            raise
        raise BadCheckpoint(f"it loads, but its edit {edit!r} fails ({type(error).__name__})") from error
    if made.shape != face.shape:
        raise BadCheckpoint(
            f"it loads, but given {face.shape[-1]} x {face.shape[-1]} pixels, its edit {edit!r} returns "
            f"{' x '.join(map(str, made.shape[2:]))}; another image_size may fit"
        )
    if not bool(made.isfinite().all()):
        raise BadCheckpoint(f"it loads, but the output of its edit {edit!r} has values that are not finite")
    return time.process_time() - began


@torch.inference_mode()
def _run_together(target: Target, faces: torch.Tensor) -> None:
    """The largest pass of scoring, if the original and the copy go through together."""
    if fit(faces):
        next(target.outputs(faces, target.edits))


def _is_memory(error: BaseException | None) -> bool:
    """Whether an error, or its cause, is a lack of memory. For that, torch raises a RuntimeError."""
    while error is not None:
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
