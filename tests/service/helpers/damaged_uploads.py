"""Sending damaged files to a running service, and looking at what becomes of each."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import httpx
from PIL import Image

from tests.service.helpers.mutations import Mutant
from tests.service.helpers.running import Running

TOGETHER: Final = 64
"""Files that are in the service at once."""
SCORED: Final = 10
"""One in so many is scored as well."""


@dataclass(slots=True)
class Outcome:
    """How often which status was answered, how accepted photos ended, and what should not have happened."""

    answers: Counter[int] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def wants(self, that: bool, mutant: Mutant, what: str) -> bool:
        """Complain unless ``that``."""
        if not that:
            self.complaints.append(f"{mutant.kind}: {what}")
        return that


def assault(run: Running, files: Iterable[Mutant], *, seconds: float = 300.0) -> Outcome:
    """Send every file, wait for the accepted ones, and erase them. seconds: for one to end."""
    outcome = Outcome()
    remaining = enumerate(files)
    while group := list(islice(remaining, TOGETHER)):
        accepted = [(mutant, here) for i, mutant in group if (here := _sent(run, i, mutant, outcome)) is not None]
        for mutant, here in accepted:
            _looked_at(run, here, mutant, outcome, seconds)
            outcome.wants(run.client.delete(here).status_code == 204, mutant, "could not be erased")
    return outcome


def _sent(run: Running, number: int, mutant: Mutant, outcome: Outcome) -> str | None:
    """Where the report is, if it was accepted; a refusal must be a problem that explains itself."""
    answer = run.client.post(
        "/v1/protections",
        files={"image": (mutant.file_name, mutant.data, mutant.media_type)},
        data={"scores": str(number % SCORED == 0).lower()},
    )
    outcome.answers[answer.status_code] += 1
    if answer.status_code == 202:
        return answer.headers["Location"]
    outcome.wants(_explains(answer), mutant, f"answered {answer.status_code} {answer.text[:200]}")
    return None


def _explains(answer: httpx.Response) -> bool:
    if not 400 <= answer.status_code < 500 or answer.headers["Content-Type"] != "application/problem+json":
        return False
    problem = answer.json()
    return problem["status"] == answer.status_code and bool(problem["detail"])


def _looked_at(run: Running, here: str, mutant: Mutant, outcome: Outcome, seconds: float) -> None:
    """Wait for the end of a photo; it has failed for a reason of its own, or there is a picture."""
    report = run.settled(here, seconds=seconds)
    outcome.ended[report["status"]] += 1
    if report["status"] == "failed":
        error = report["error"]
        outcome.wants(400 <= error["status"] < 500 and bool(error["detail"]), mutant, f"failed with {error}")
        return
    outcome.wants(report["scores_status"] in ("off", "done"), mutant, f"scores {report['scores_status']}")
    answer = run.client.get(f"{here}/image")
    if outcome.wants(answer.status_code == 200, mutant, f"no picture: {answer.text[:200]}"):
        with Image.open(io.BytesIO(answer.content)) as picture:
            picture.load()


@dataclass(frozen=True, slots=True)
class Workers:
    """Process ids of the workers, and the most memory that one of them has ever taken, in bytes."""

    pids: frozenset[int]
    peak: int


def workers(run: Running) -> Workers:
    """The workers of a service as they are now."""
    pids = frozenset(pid for pid, command in run.descendants() if "@poise" in command)
    return Workers(pids, max(peaks(pids)))


def peaks(pids: Iterable[int]) -> Iterator[int]:
    """The most memory that each process has ever had in use, in bytes."""
    for pid in pids:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        yield int(found[1]) * 1024 if found else 0


def stored(run: Running) -> set[Path]:
    """Every file in the storage."""
    return {path for path in (run.data_dir / "storage").rglob("*") if path.is_file()}
