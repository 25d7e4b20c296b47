"""AttGAN (He et al., TIP 2019): encoder and decoder with the attributes injected into the latent.

The tap is the deepest encoder output. Layout: ``G`` of the official ``weights.*.pth``; run with ``eval()`` (batch norm
uses running statistics). Attributes in {0, 1} enter as ``(2a - 1) * thres_int``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from perturbations.targets.batches import together
from perturbations.targets.interface import Layout, Manipulation, Target, check_labels, label_tensor
from perturbations.targets.networks.attgan import AttGANGenerator

CELEBA_ATTRIBUTES = (
    "bald", "bangs", "black_hair", "blond_hair", "brown_hair", "bushy_eyebrows", "eyeglasses", "male",
    "mouth_slightly_open", "mustache", "no_beard", "pale_skin", "young",
)  # fmt: skip
THRES_INT = 0.5
"""Scale of the attributes a face already has."""


class AttGAN(Target):
    """AttGAN as a target; an edit is a full attribute vector, already scaled."""

    architecture = "attgan"
    paradigm = "encoder-decoder with latent attributes"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {"male": (1.0, -0.5), "old": (-0.5, 1.0)},
        "image_size": 32,
        "enc_dim": 4,
        "enc_layers": 3,
        "dec_dim": 4,
        "dec_layers": 3,
        "n_attrs": 2,
        "shortcut_layers": 1,
        "inject_layers": 1,
    }
    generator: AttGANGenerator

    def __init__(
        self,
        *,
        edits: Mapping[str, Sequence[float]],
        image_size: int = 256,
        enc_dim: int = 64,
        enc_layers: int = 5,
        dec_dim: int = 64,
        dec_layers: int = 5,
        n_attrs: int = 13,
        shortcut_layers: int = 1,
        inject_layers: int = 0,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        self.labels = check_labels(edits, n_attrs)
        self.hyper = {
            "enc_dim": enc_dim,
            "enc_layers": enc_layers,
            "dec_dim": dec_dim,
            "dec_layers": dec_layers,
            "n_attrs": n_attrs,
            "shortcut_layers": shortcut_layers,
            "inject_layers": inject_layers,
        }
        self.generator = AttGANGenerator(**self.hyper)
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        maps = self.generator.encode(x)
        return Manipulation(self.generator.decode(maps, self._attributes(x, edit)), maps[-1])

    def outputs(self, x: Tensor, edits: Sequence[str]) -> Iterator[Tensor]:
        maps = self.generator.encode(x)

        def decode(some: Sequence[str]) -> Tensor:
            repeated = [torch.cat([each] * len(some)) for each in maps]
            return self.generator.decode(repeated, torch.cat([self._attributes(x, edit) for edit in some]))

        return together(x, edits, decode)

    def _attributes(self, x: Tensor, edit: str) -> Tensor:
        return label_tensor(self.labels[self.known_edit(edit)], x)

    @property
    def config(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size, "edits": self.labels, **self.hyper}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        shapes = layout.shapes
        first, deepest = shapes.get("enc_layers.0.layers.0.weight"), shapes.get("dec_layers.0.layers.0.weight")
        if first is None or deepest is None or len(deepest) != 4:
            return None
        enc_layers = sum(1 for i in range(len(shapes)) if f"enc_layers.{i}.layers.0.weight" in shapes)
        dec_layers = sum(1 for i in range(len(shapes)) if f"dec_layers.{i}.layers.0.weight" in shapes)
        widths = [shapes[f"enc_layers.{i}.layers.0.weight"][0] for i in range(enc_layers)]
        n_attrs = deepest[0] - widths[-1]
        # what a decoder layer takes beyond the output of the one before it is a shortcut, injected attributes, or both
        shortcut = inject = 0
        for i in range(1, dec_layers):
            extra = shapes[f"dec_layers.{i}.layers.0.weight"][0] - shapes[f"dec_layers.{i - 1}.layers.0.weight"][1]
            skip = widths[-1 - i] if i < enc_layers else 0
            shortcut += extra in (skip, skip + n_attrs) and skip > 0
            inject += extra in (n_attrs, skip + n_attrs)
        return {
            "image_size": 256,
            "edits": cls.published_edits({"n_attrs": n_attrs}) or _numbered(n_attrs),
            "enc_dim": first[0],
            "enc_layers": enc_layers,
            # the last layer but one of the decoder gives twice the base width
            "dec_dim": shapes[f"dec_layers.{dec_layers - 2}.layers.0.weight"][1] // 2 if dec_layers > 1 else first[0],
            "dec_layers": dec_layers,
            "n_attrs": n_attrs,
            "shortcut_layers": shortcut,
            "inject_layers": inject,
        }

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        return celeba_edits() if config["n_attrs"] == len(CELEBA_ATTRIBUTES) else None

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        return _numbered(config["n_attrs"])


def celeba_edits(*, test_int: float = 1.0) -> dict[str, tuple[float, ...]]:
    """One edit per official attribute: a plausible neutral face, and the edited attribute at ``test_int``."""
    base = dict.fromkeys(CELEBA_ATTRIBUTES, -THRES_INT) | {"no_beard": THRES_INT, "young": THRES_INT}
    chosen = {"bangs": 1, "blond_hair": 1, "eyeglasses": 1, "male": 1, "young": -1}
    return {
        ("old" if name == "young" else name): tuple((base | {name: sign * test_int}).values())
        for name, sign in chosen.items()
    }


def _numbered(count: int) -> dict[str, tuple[float, ...]]:
    return {f"attribute_{i}": tuple(1.0 if i == j else -THRES_INT for j in range(count)) for i in range(count)}
