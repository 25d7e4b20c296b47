"""The layout of a checkpoint, by which architectures are recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """The names and shapes of a checkpoint's tensors: name to shape."""

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        return cls({name: tuple(tensor.shape) for name, tensor in state.items()})
