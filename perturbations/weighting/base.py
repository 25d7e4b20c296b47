"""The interface of a weighting."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Signals:
    """What one training step tells a weighting about its ``K`` targets; all tensors are detached.

    losses: ``[K]``, the minimised losses: the higher, the more a target resists.
    effect: ``[K]``, mean L2mask of the batch (success is above 0.05); NaN if nothing was manipulated.
    attainable: ``[K]``, the mean L2mask of a δ trained as long against that target alone, if measured.
    success: ``[K]``, the share of the batch that is interrupted; NaN if nothing was manipulated.
    """

    losses: Tensor
    effect: Tensor
    attainable: Tensor | None = None
    success: Tensor | None = None


class Weighting(abc.ABC):
    """Turns :class:`Signals` into the shares of the targets: none below zero, and one in sum.

    State is created in ``__init__`` and travels by ``state_dict``.
    """

    unit_gradients: ClassVar[bool] = False
    """Whether shares are of gradients brought to length one; else of gradients as they are."""

    def __init__(self, targets: int) -> None:
        if targets < 1:
            raise ValueError(f"a weighting needs at least one target, got {targets}")
        self.targets = targets

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Tensor:
        """Shares ``[K]`` of this step's direction."""

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to continue exactly."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, got {sorted(state)}")
