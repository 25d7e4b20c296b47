"""The sizes a surrogate grows through, and how long it stays at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from perturbations.errors import BadInput

SMALLEST: Final = 32
LARGEST_BATCH: Final = 32
SMALLEST_BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """``steps`` at ``size`` pixels a side. In a run each size is twice the one before."""

    size: int
    steps: int

    @property
    def batch(self) -> int:
        """Pictures of a step: 32 up to 64 pixels, 16 at 128, 8 from 256 on."""
        return min(LARGEST_BATCH, max(SMALLEST_BATCH, LARGEST_BATCH * 64 // self.size))


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a step. share: the part of its stage before it; first: whether it is the run's first stage."""

    stage: Stage
    share: float
    first: bool


class Stages(tuple[Stage, ...]):
    """Stages in their order, each size twice the one before.

    Raises:
        BadInput: there are none, a size is not a power of two from 32 up or does not double, or a stage has no steps.
    """

    __slots__ = ()

    def __new__(cls, stages: Sequence[Stage]) -> Self:
        if not stages:
            raise BadInput("name at least one stage, as in 64:2400,128:700")
        for stage in stages:
            if stage.size < SMALLEST or stage.size & (stage.size - 1):
                raise BadInput(f"the size of a stage must be a power of two, at least {SMALLEST}, not {stage.size}")
            if stage.steps < 1:
                raise BadInput(f"a stage takes at least one step, not {stage.steps}")
        for before, after in pairwise(stages):
            if after.size != 2 * before.size:
                raise BadInput(f"after {before.size} pixels come {2 * before.size}, not {after.size}")
        return super().__new__(cls, stages)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``SIZE:STEPS,SIZE:STEPS``.

        Raises:
            BadInput: it is not written like that.
        """
        try:
            pairs = [part.split(":") for part in text.split(",")]
            return cls([Stage(int(size), int(steps)) for size, steps in pairs])
        except ValueError as error:
            raise BadInput(f"write stages as SIZE:STEPS,SIZE:STEPS, not {text!r}") from error

    def __str__(self) -> str:
        return ",".join(f"{stage.size}:{stage.steps}" for stage in self)

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self)

    def upto(self, size: int) -> Stages:
        """The stages of at most ``size`` pixels."""
        return Stages([stage for stage in self if stage.size <= size])

    def at(self, step: int) -> Place:
        """The position of ``step`` (from 0). Steps after the last one count to the last stage."""
        start = 0
        for stage in self:
            if step < start + stage.steps:
                break
            start += stage.steps
        else:
            start -= stage.steps
        return Place(stage, min(1.0, (step - start) / stage.steps), first=start == 0)

    def begin_alike(self, other: Stages, steps: int) -> bool:
        """Whether two runs are the same up to ``steps``: then one may continue from the other's checkpoint."""
        return self._walked(steps) == other._walked(steps)

    def _walked(self, steps: int) -> list[tuple[int, int]]:
        found = []
        for stage in self:
            if steps <= 0:
                break
            found.append((stage.size, min(stage.steps, steps)))
            steps -= stage.steps
        return found
