"""The interface of a target: a generator to interrupt, with its edits."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from perturbations.errors import UnknownName
from perturbations.targets.networks.layout import Layout

__all__ = ["Layout", "Manipulation", "Target", "check_labels", "label_tensor"]


class Manipulation(NamedTuple):
    """What one pass of a generator yields.

    output: ``[B, 3, H, W]`` in [-1, 1], the manipulated image.
    tap: ``[B, ...]``, the features whose disruption carries over to the output (see each target).
    """

    output: Tensor
    tap: Tensor


class Target(nn.Module, abc.ABC):
    """A generator to interrupt.

    Subclasses hold the official network as ``self.generator`` (its ``state_dict`` is the official layout) and say
    what their edits mean. An edit fixes everything that is free in it (target labels, style, noise), so two runs agree.
    Parameters never require gradients; gradients flow to the input only.
    """

    architecture: ClassVar[str]
    """The name in the registry."""
    paradigm: ClassVar[str]
    """How this architecture manipulates, in a few words."""
    small: ClassVar[Mapping[str, Any]]
    """A configuration small enough to run in milliseconds; the contract tests build it."""
    single_edit: ClassVar[bool] = False
    """Whether a generator of this architecture has only one edit."""

    generator: nn.Module

    def __init__(self, *, image_size: int, edits: Sequence[str]) -> None:
        super().__init__()
        if not edits:
            raise ValueError(f"{type(self).__name__} needs at least one edit")
        if image_size < 8:
            raise ValueError(f"image_size must be 8 or more, got {image_size}")
        self.image_size = image_size
        self.edits = tuple(edits)
        self.registered_name: str | None = None

    @property
    def name(self) -> str:
        """The name reports use: the one a checkpoint was registered under, or else the architecture's."""
        return self.registered_name or self.architecture

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return next(chain(self.parameters(), self.buffers())).device

    @abc.abstractmethod
    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        """One pass: ``x`` is ``[B, 3, image_size, image_size]`` in [-1, 1]."""

    @property
    @abc.abstractmethod
    def config(self) -> Mapping[str, Any]:
        """The arguments of ``__init__`` to build this target again; JSON-serialisable."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A target with fresh weights. Unknown or missing fields raise ``TypeError``."""
        return cls(**config)

    @classmethod
    @abc.abstractmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        """The configuration an official checkpoint of this layout needs, or ``None`` if it is another architecture.

        Edits are the official ones if the attribute count is the official one, else numbered.
        """

    @classmethod
    def missing_details(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields of an inferred configuration that no layout shows: ``image_size``, ``edits``, both or neither.

        They must be given when such a checkpoint is added. Override this if the layouts show more.
        """
        del config
        return ("image_size",) if cls.single_edit else ("image_size", "edits")

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        """The edits of the published checkpoint of this layout; ``None`` if there is none."""
        return None if "edits" in cls.missing_details(config) else config["edits"]

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        """One edit for each label of a network of this layout, in its order. Given names are assigned to these."""
        return config["edits"]

    @classmethod
    def infer_beside(cls, config: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
        """``config`` as inferred from the layout, corrected by what official releases keep in files beside the weights.

        Raises:
            BadCheckpoint: such a file is damaged, or asks for something this architecture does not support.
        """
        del folder
        return config

    @classmethod
    def canonical(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """An official state dict, with the tensor names of older releases replaced by today's."""
        return state

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this architecture cannot be built here (an optional dependency is missing), or ``None`` if it can."""
        return None

    def known_edit(self, edit: str) -> str:
        """``edit`` itself.

        Raises:
            UnknownName: this target has no such edit.
        """
        if edit not in self.edits:
            raise UnknownName(f"edit of {self.name}", edit, self.edits)
        return edit

    def forward(self, x: Tensor, edit: str) -> Tensor:
        """The manipulated image, ``[B, 3, H, W]`` in [-1, 1]."""
        return self.manipulate(x, edit).output

    def outputs(self, x: Tensor, edits: Sequence[str]) -> Iterator[Tensor]:
        """What :meth:`forward` gives of each edit, in their order.

        Override this where edits share work, or are faster in one batch (:mod:`perturbations.targets.batches`).
        """
        return (self(x, edit) for edit in edits)

    def features(self, x: Tensor, edit: str) -> Tensor:
        """The tap, ``[B, ...]``."""
        return self.manipulate(x, edit).tap

    def mask_reference(self, x: Tensor, edit: str) -> Tensor:
        """The image the effect's mask is taken against, what ``edit`` replaces; by default the input."""
        del edit
        return x

    def reconstruct(self, x: Tensor) -> Tensor | None:
        """The photo as the generator reproduces it without an edit; ``None`` if it always edits."""
        del x
        return None

    def steals_identity(self, edit: str) -> bool:
        """Whether ``edit`` puts the identity of the photo on another face; then identity similarity can be measured."""
        self.known_edit(edit)
        return False

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """Modules besides the generator that edits need, by name. Poise's own checkpoint files contain them too."""
        return {}

    def load_companions(self, state: Mapping[str, Tensor]) -> None:
        """Load the state of all companions strictly, ``NAME.PARAMETER`` each; half precision becomes float32.

        Raises:
            RuntimeError: a name or a shape does not fit.
        """
        nn.ModuleDict(dict(self.companions)).load_state_dict(_in_single(state))
        self.freeze()

    def load_generator(self, state: Mapping[str, Tensor]) -> None:
        """Load an official state dict strictly; half-precision tensors become float32.

        Raises:
            RuntimeError: a name or a shape does not fit.
        """
        self.generator.load_state_dict(_in_single(state))
        self.freeze()

    def freeze(self) -> Self:
        """Evaluation mode, no gradients for parameters."""
        self.eval()
        self.requires_grad_(False)
        return self


def _in_single(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def check_labels(edits: Mapping[str, Sequence[float]], count: int) -> dict[str, tuple[float, ...]]:
    """Edits that are label vectors, as tuples of floats.

    Raises:
        ValueError: a vector does not have ``count`` entries.
    """
    labels = {name: tuple(map(float, vector)) for name, vector in edits.items()}
    for name, vector in labels.items():
        if len(vector) != count:
            raise ValueError(f"edit {name!r} has {len(vector)} labels, the generator takes {count}")
    return labels


def label_tensor(labels: Sequence[float], x: Tensor) -> Tensor:
    """One label vector for the whole batch: ``[B, len(labels)]`` on the device and of the type of ``x``."""
    return torch.tensor(labels, dtype=x.dtype, device=x.device).expand(x.shape[0], -1)
