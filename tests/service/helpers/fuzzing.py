"""Files through the front end's check and through the engine, in this process: each comes out, or is explained.

.venv/bin/python -m tests.service.helpers.fuzzing --seed 0 --only 123    makes one file, keeps it and shows what it does
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from app.contracts.problems import Problem
from app.photos.inspection import inspect
from perturbations.artifact import SHAPE, Perturbation
from perturbations.bounds import Linf
from perturbations.errors import BadImage
from perturbations.photo import decode
from perturbations.protect import protect_photo
from tests.service.helpers.mutations import Mutant
from tests.service.helpers.structures import structured

MAX_PIXELS: Final = 500_000
PROTECTED: Final = 8
"""One file in so many is protected as well, which takes ten times as long as reading it."""
PATIENCE: Final = 5.0
"""Seconds of a processor for a small file."""


@dataclass(slots=True)
class Findings:
    """How files ended, and what should not have happened."""

    ended: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    slowest: float = 0.0


def fuzz(numbers: Iterable[int], *, seed: int) -> Findings:
    """Make these files and look at what becomes of each."""
    findings = Findings()
    for number in numbers:
        began = time.process_time()
        mutant = structured(number, seed=seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                findings.ended[_tried(mutant, protected=number % PROTECTED == 0)] += 1
        except Exception as error:  # noqa: BLE001 - that none of these comes is what is looked at
            where = traceback.extract_tb(error.__traceback__)[-1]
            findings.complaints.append(
                f"{mutant.kind}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno}); "
                f"again: python -m tests.service.helpers.fuzzing --seed {seed} --only {number}"
            )
        taken = time.process_time() - began
        if taken > PATIENCE:
            findings.complaints.append(f"{mutant.kind}: {taken:.1f} s; --seed {seed} --only {number}")
        findings.slowest = max(findings.slowest, taken)
    return findings


def _tried(mutant: Mutant, *, protected: bool) -> str:
    """How a file ends in the front end and in the engine."""
    try:
        source = inspect(mutant.data, max_pixels=MAX_PIXELS)
    except Problem as problem:
        _wants(400 <= problem.status < 500 and len(problem.detail) > 20, f"answered {problem.status} {problem.detail}")
        accepted = "refused"
    else:
        accepted = "accepted"
        _wants(source.width * source.height <= MAX_PIXELS, f"{source.width}x{source.height} accepted")
    try:
        photo = decode(mutant.data, max_pixels=MAX_PIXELS)
        if protected:
            protect_photo(mutant.data, _PERTURBATION, max_pixels=MAX_PIXELS)
    except BadImage as error:
        _wants(len(str(error)) > 20, f"failed with {error}")
        return f"{accepted}, unreadable"
    if accepted == "accepted":
        _wants({photo.width, photo.height} == {source.width, source.height}, "measured wrongly")
    return f"{accepted}, readable"


def _wants(that: bool, what: str) -> None:
    if not that:
        raise AssertionError(what)


_PERTURBATION: Final = Perturbation("signs", Linf(0.05).signs(SHAPE, torch.Generator().manual_seed(0)), 0.05, {})


def main() -> None:
    """Parse, try, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", type=int, help="the number of one file")
    chosen = parser.parse_args()
    if chosen.only is not None:
        mutant = structured(chosen.only, seed=chosen.seed)
        kept = Path(f"mutant-{chosen.seed}-{chosen.only}-{mutant.file_name}")
        kept.write_bytes(mutant.data)
        print(f"{mutant.kind}: {kept}, {len(mutant.data)} bytes")  # noqa: T201 - a command
        print(_tried(mutant, protected=True))  # noqa: T201 - a command
        return
    findings = fuzz(range(chosen.count), seed=chosen.seed)
    print(dict(findings.ended), f"slowest {findings.slowest:.1f} s", *findings.complaints, sep="\n")  # noqa: T201 - a command
    sys.exit(bool(findings.complaints))


if __name__ == "__main__":
    main()
