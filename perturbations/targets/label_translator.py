"""What StarGAN and AttentionGAN share as targets: an edit is a full label vector, and one layer differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from perturbations.targets.interface import Layout, Target, check_labels, label_tensor

CELEBA_EDITS: Mapping[str, tuple[float, ...]] = {
    # Black_Hair, Blond_Hair, Brown_Hair, Male, Young
    "black_hair": (1, 0, 0, 0, 1),
    "blond_hair": (0, 1, 0, 0, 1),
    "brown_hair": (0, 0, 1, 0, 1),
    "male": (0, 0, 1, 1, 1),
    "old": (0, 0, 1, 0, 0),
}
"""Edits of the official five-attribute CelebA checkpoints: full label vectors, chosen for Poise."""


class LabelTranslator(Target):
    """A generator that takes all labels of the picture it should make."""

    network: ClassVar[type[nn.Module]]
    """Built from ``conv_dim``, ``c_dim`` and ``repeat_num``."""
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {"male": (1.0, 0.0), "old": (0.0, 1.0)},
        "image_size": 32,
        "conv_dim": 4,
        "c_dim": 2,
        "repeat_num": 1,
    }

    def __init__(
        self,
        *,
        edits: Mapping[str, Sequence[float]],
        image_size: int = 256,
        conv_dim: int = 64,
        c_dim: int = 5,
        repeat_num: int = 6,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        self.labels = check_labels(edits, c_dim)
        self.hyper = {"conv_dim": conv_dim, "c_dim": c_dim, "repeat_num": repeat_num}
        self.generator = self.network(**self.hyper)
        self.freeze()

    def labels_of(self, x: Tensor, edit: str) -> Tensor:
        """The labels of ``edit`` for the whole batch, ``[B, c_dim]``."""
        return label_tensor(self.labels[self.known_edit(edit)], x)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.labels, **self.hyper}

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        return published_translations(config)

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        return numbered_edits(config["c_dim"])


def infer_translator(layout: Layout, *, head: str, channels: int) -> Mapping[str, Any] | None:
    """Width, attribute count and depth of a StarGAN-like network stored under ``head`` with ``channels`` outputs."""
    first = layout.shapes.get(f"{head}.0.weight")
    if first is None or len(first) != 4 or first[2:] != (7, 7) or first[1] <= 3:
        return None
    conv_dim, c_dim = first[0], first[1] - 3
    repeat_num = sum(1 for i in range(9, 9 + len(layout.shapes)) if f"{head}.{i}.main.0.weight" in layout.shapes)
    # three layers in each of three stages, the blocks, three layers in each of two stages, the output
    last = layout.shapes.get(f"{head}.{9 + repeat_num + 6}.weight")
    if last is None or last[0] != channels:
        return None
    sizes = {"conv_dim": conv_dim, "c_dim": c_dim, "repeat_num": repeat_num}
    return {"image_size": 256, "edits": published_translations(sizes) or numbered_edits(c_dim), **sizes}


def published_translations(config: Mapping[str, Any]) -> Mapping[str, tuple[float, ...]] | None:
    """The edits of the published checkpoint of a StarGAN-like layout; ``None`` if it takes other labels."""
    return CELEBA_EDITS if config["c_dim"] == len(next(iter(CELEBA_EDITS.values()))) else None


def numbered_edits(count: int) -> dict[str, tuple[float, ...]]:
    """One edit per attribute, that attribute alone set, for checkpoints whose attributes have no known names."""
    return {f"attribute_{i}": tuple(float(i == j) for j in range(count)) for i in range(count)}
