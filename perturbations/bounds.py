"""The bounds of a perturbation: types that are checked once, and the only functions that project onto them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

STEPS_PER_UNIT: Final = 127.5
"""Steps of an 8-bit image in one unit of the range [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Linf:
    """The L-infinity ball of radius ``epsilon``, in units of the image range [-1, 1] (0.05 is 6.375 steps of 255).

    Raises:
        ValueError: ``epsilon`` is not a finite number in (0, 2].
    """

    epsilon: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and 0.0 < self.epsilon <= 2.0):
            raise ValueError(f"epsilon must lie in (0, 2], got {self.epsilon}")

    @property
    def steps(self) -> int:
        """The largest difference of 8-bit images that keeps the bound: ``floor(epsilon * STEPS_PER_UNIT)``."""
        return math.floor(self.epsilon * STEPS_PER_UNIT + 1e-9)

    def project(self, delta: Tensor) -> Tensor:
        """The nearest point of the ball to ``delta`` (any shape)."""
        return delta.clamp(-self.epsilon, self.epsilon)

    def uniform(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A point drawn uniformly from the ball."""
        return torch.empty(shape).uniform_(-self.epsilon, self.epsilon, generator=generator)

    def signs(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A random corner of the ball: every entry is ``+epsilon`` or ``-epsilon``."""
        return (torch.randint(0, 2, shape, generator=generator).float() * 2.0 - 1.0) * self.epsilon


@dataclass(frozen=True, slots=True)
class Rms:
    """The ball of perturbations with a root mean square of at most ``limit``, in units of the image range [-1, 1].

    How plainly a perturbation is seen follows its root mean square far more than its largest value. This is the L2
    ball, its radius divided by the root of the number of values: the same limit at every size.

    Raises:
        ValueError: ``limit`` is not a finite number above 0.
    """

    limit: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.limit) and self.limit > 0.0):
            raise ValueError(f"a root mean square must be a finite number above 0, got {self.limit}")

    def project(self, delta: Tensor) -> Tensor:
        """The nearest point of the ball to ``delta`` (any shape)."""
        found = rms(delta)
        return delta * (self.limit / found) if float(found) > self.limit else delta


def rms(delta: Tensor) -> Tensor:
    """The root mean square, a scalar."""
    return delta.square().mean().sqrt()
