"""A Dockerfile as a list of instructions, and what ``.dockerignore`` leaves of the repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

from tests.deploy.composition import ROOT

API: Final = ROOT / "docker" / "api.Dockerfile"
WORKER: Final = ROOT / "docker" / "worker.Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its stage, counted from 0, its word and what follows."""

    stage: int
    word: str
    rest: str


def read(path: Path) -> list[Instruction]:
    """All instructions, continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found: list[Instruction] = []
    stage = -1
    for line in filter(str.strip, joined.splitlines()):
        word, rest = line.split(maxsplit=1)
        stage += word == "FROM"
        found.append(Instruction(stage, word, re.sub(r"\s+", " ", rest)))
    return found


def copied(path: Path) -> list[str]:
    """What is copied out of the repository, stages apart."""
    plain = [i.rest.split() for i in read(path) if i.word in {"COPY", "ADD"} and "--from=" not in i.rest]
    return [source for words in plain for source in words[:-1]]


def environment(path: Path) -> dict[str, str]:
    """What the final image sets."""
    instructions = read(path)
    last = instructions[-1].stage
    pairs = [pair for i in instructions if i.word == "ENV" and i.stage == last for pair in i.rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


@cache
def _ignoring() -> tuple[str, ...]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def is_sent(path: str) -> bool:
    """Whether Docker gets to see ``path``; the last pattern that fits it, or a folder above it, decides."""
    sent = True
    for line in _ignoring():
        pattern = line.removeprefix("!")
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 2)]
        names = [name for place in above for name in (place, place.rpartition("/")[2])]
        candidates = names if pattern.startswith("**/") else [place for place in above if "/" not in place]
        if any(fnmatch(name, pattern.removeprefix("**/")) for name in candidates):
            sent = line.startswith("!")
    return sent
