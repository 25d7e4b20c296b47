"""HiSD (Li et al., CVPR 2021): hierarchical style disentanglement.

An image becomes a content code ``e = E(x)``; a translator, one per tag (say, eyeglasses), moves the code towards a
style; the decoder paints the result. A style comes from a mapper (latent-guided: noise and an attribute of the tag) or
from the extractor (reference-guided: another picture). The tap is the content code. Layout: ``gen_test`` of the
official ``gen_*.pt``. Its norms divide by the *unbiased* standard deviation plus 1e-5, and it ends without a tanh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from perturbations.targets.interface import Layout, Manipulation, Target
from perturbations.targets.networks.hisd import HiSDGenerator


@dataclass(frozen=True, slots=True)
class LatentEdit:
    """A latent-guided edit: the attribute of a tag, styled by the normal noise that ``seed`` draws on the CPU."""

    tag: int
    attribute: int
    seed: int


@dataclass(frozen=True, slots=True)
class ReferenceEdit:
    """A reference-guided edit: a stored style code (see :meth:`HiSD.reference_edit`)."""

    tag: int
    style: tuple[float, ...]


Step = LatentEdit | ReferenceEdit


@dataclass(frozen=True, slots=True)
class ChainedEdit:
    """Several edits, each of which continues from the code of the one before."""

    steps: tuple[Step, ...]


Edit = Step | ChainedEdit

CELEBAHQ_EDITS: Mapping[str, Edit] = {
    # tags and attributes: bangs (with, without), eyeglasses (with, without), hair colour (black, blond, brown)
    "bangs": LatentEdit(tag=0, attribute=0, seed=0),
    "eyeglasses": LatentEdit(tag=1, attribute=0, seed=0),
    "black_hair": LatentEdit(tag=2, attribute=0, seed=0),
    "blond_hair": LatentEdit(tag=2, attribute=1, seed=0),
    "brown_hair": LatentEdit(tag=2, attribute=2, seed=0),
}
"""Edits of the official CelebA-HQ checkpoints, chosen for Poise."""
CELEBAHQ_ATTRIBUTES = (2, 2, 3)


def steps_of(edit: Edit) -> tuple[Step, ...]:
    """The steps of an edit, in their order; only a chain has more than one."""
    return edit.steps if isinstance(edit, ChainedEdit) else (edit,)


def parse_edit(fields: Mapping[str, Any]) -> Edit:
    """An edit from its JSON form.

    That is ``{"tag", "attribute", "seed"}``, ``{"tag", "style"}``, or ``{"steps": [...]}`` with a list of those.

    Raises:
        TypeError: a field is missing or unknown.
    """
    if "steps" in fields:
        if set(fields) != {"steps"}:
            raise TypeError(f"a chain has only steps, not {sorted(fields)}")
        return ChainedEdit(tuple(_parse_step(step) for step in fields["steps"]))
    return _parse_step(fields)


def _parse_step(fields: Mapping[str, Any]) -> Step:
    if "style" in fields:
        reference = ReferenceEdit(**fields)
        return ReferenceEdit(int(reference.tag), tuple(float(value) for value in reference.style))
    return LatentEdit(**{name: int(value) for name, value in fields.items()})


class HiSD(Target):
    """HiSD as a target; an edit is latent-guided, reference-guided or a chain of those.

    The output is clipped, as a saved image is.

    Raises:
        ValueError: an edit names a tag or an attribute that does not exist, a style code of the wrong length, or no
            step at all.
    """

    architecture = "hisd"
    paradigm = "hierarchical style disentanglement"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {
            "old": {"tag": 0, "attribute": 1, "seed": 3},
            "reference": {"tag": 1, "style": (0.5, -1.0, 0.25, 2.0)},
            "chain": {"steps": ({"tag": 0, "attribute": 0, "seed": 5}, {"tag": 1, "attribute": 2, "seed": 7})},
        },
        "image_size": 32,
        "attributes": (2, 3),
        "style_dim": 4,
        "noise_dim": 3,
        "encoder": (4, 6, 8),
        "decoder": (8, 6, 4),
        "extractors": (4, 6, 8),
        "translators": (5, 6),
        "mappers_pre": (5, 6),
        "mappers_post": (6, 5),
    }
    generator: HiSDGenerator

    def __init__(
        self,
        *,
        edits: Mapping[str, Edit | Mapping[str, Any]],
        image_size: int = 256,
        attributes: Sequence[int] = CELEBAHQ_ATTRIBUTES,
        style_dim: int = 256,
        noise_dim: int = 32,
        encoder: Sequence[int] = (64, 128, 256),
        decoder: Sequence[int] = (256, 128, 64),
        extractors: Sequence[int] = (32, 64, 128, 256, 512, 512, 512),
        translators: Sequence[int] = (64,) * 8,
        mappers_pre: Sequence[int] = (256, 256, 256),
        mappers_post: Sequence[int] = (256, 256, 256),
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        self.specs = {name: parse_edit(edit) if isinstance(edit, Mapping) else edit for name, edit in edits.items()}
        self.hyper: dict[str, Any] = {
            "attributes": tuple(attributes),
            "style_dim": style_dim,
            "noise_dim": noise_dim,
            "encoder": tuple(encoder),
            "decoder": tuple(decoder),
            "extractors": tuple(extractors),
            "translators": tuple(translators),
            "mappers_pre": tuple(mappers_pre),
            "mappers_post": tuple(mappers_post),
        }
        for name, edit in self.specs.items():
            if not steps_of(edit):
                raise ValueError(f"edit {name!r}: a chain needs a step")
            for step in steps_of(edit):
                self._check(name, step)
        self.generator = HiSDGenerator(**self.hyper)
        self.freeze()

    def _check(self, name: str, edit: Step) -> None:
        counts = self.hyper["attributes"]
        if not 0 <= edit.tag < len(counts):
            raise ValueError(f"edit {name!r}: tag {edit.tag}, but there are {len(counts)}")
        if isinstance(edit, LatentEdit) and not 0 <= edit.seed < 2**63:
            raise ValueError(f"edit {name!r}: a seed must lie between 0 and 2**63 - 1, got {edit.seed}")
        if isinstance(edit, LatentEdit) and not 0 <= edit.attribute < counts[edit.tag]:
            raise ValueError(f"edit {name!r}: attribute {edit.attribute}, but tag {edit.tag} has {counts[edit.tag]}")
        if isinstance(edit, ReferenceEdit) and len(edit.style) != self.hyper["style_dim"]:
            raise ValueError(f"edit {name!r}: a style code has {self.hyper['style_dim']} values, not {len(edit.style)}")

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        content = self.generator.encode(x)
        return Manipulation(self._painted(content, edit), content)

    def outputs(self, x: Tensor, edits: Sequence[str]) -> Iterator[Tensor]:
        content = self.generator.encode(x)
        return (self._painted(content, edit) for edit in edits)

    def _painted(self, content: Tensor, edit: str) -> Tensor:
        """The output of an edit that begins at ``content``."""
        for step in steps_of(self.specs[self.known_edit(edit)]):
            style = self.style(step, content).expand(content.shape[0], -1)
            content = self.generator.translate(content, style, step.tag)
        return self.generator.decode(content).clamp(-1, 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.generator.decode(self.generator.encode(x)).clamp(-1, 1)

    def style(self, spec: Step, like: Tensor) -> Tensor:
        """The style code of one step, ``[1, style_dim]``, on the device and of the type of ``like``."""
        if isinstance(spec, ReferenceEdit):
            return torch.tensor(spec.style, dtype=like.dtype, device=like.device)[None]
        drawn = torch.randn(1, self.hyper["noise_dim"], generator=torch.Generator().manual_seed(spec.seed))
        return self.generator.map(drawn.to(like), spec.tag, spec.attribute)

    @torch.no_grad()
    def reference_edit(self, reference: Tensor, tag: int) -> ReferenceEdit:
        """The edit that carries the style of ``reference`` (``[1, 3, H, W]`` in [-1, 1]) over to other images."""
        return ReferenceEdit(tag, tuple(self.generator.extract(reference, tag)[0].tolist()))

    @property
    def config(self) -> Mapping[str, Any]:
        edits = {name: asdict(spec) for name, spec in self.specs.items()}
        return {"image_size": self.image_size, "edits": edits, **self.hyper}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        shapes = layout.shapes
        if not {"encoder.0.weight", "translators.0.style_to_params.weight", "mappers.0.pre_model.0.weight"} <= set(
            shapes
        ):
            return None

        def widths(name: str, *, start: int = 0, axis: int = 0) -> tuple[int, ...]:
            """One axis of the tensors ``name`` (with ``{}`` for the index) from ``start`` for as long as they exist."""
            found: list[int] = []
            while (shape := shapes.get(name.format(start + len(found)))) is not None:
                found.append(shape[axis])
            return tuple(found)

        tags = len(widths("translators.{}.style_to_params.weight"))
        attributes = tuple(
            len({name.split(".")[3] for name in shapes if name.startswith(f"mappers.{tag}.post_models.")})
            for tag in range(tags)
        )
        style_dim, noise_dim = (
            shapes["translators.0.style_to_params.weight"][1],
            shapes["mappers.0.pre_model.0.weight"][1],
        )
        down = "{}.sc.weight"
        extractors = (shapes["extractors.model.0.weight"][0], *widths("extractors.model." + down, start=1))
        post = "mappers.0.post_models.0.{}"
        mapped = widths(post + ".linear.weight")
        counts = {"attributes": attributes}
        return {
            # the official configurations shrink an image to 4x4 before they pool its style
            "image_size": 4 * 2 ** (len(extractors) - 1),
            "edits": cls.published_edits(counts) or cls.label_edits(counts),
            **counts,
            "style_dim": style_dim,
            "noise_dim": noise_dim,
            "encoder": (shapes["encoder.0.weight"][0], *widths("encoder." + down, start=1)),
            "decoder": (shapes["decoder.0.sc.weight"][1], *widths("decoder." + down)),
            "extractors": extractors,
            "translators": (
                shapes["translators.0.model.0.weight"][0],
                *widths("translators.0.model." + down, start=1),
            ),
            "mappers_pre": (
                shapes["mappers.0.pre_model.0.weight"][0],
                *widths("mappers.0.pre_model.{}.linear.weight", start=1),
            ),
            # the last layer takes what the one before it gives
            "mappers_post": (
                *widths(post + ".linear.weight", axis=1),
                shapes[post.format(len(mapped)) + ".weight"][1],
            ),
        }

    @classmethod
    def published_edits(cls, config: Mapping[str, Any]) -> Any:
        official = tuple(config["attributes"]) == CELEBAHQ_ATTRIBUTES
        return {name: asdict(edit) for name, edit in CELEBAHQ_EDITS.items()} if official else None

    @classmethod
    def label_edits(cls, config: Mapping[str, Any]) -> Any:
        return {name: asdict(edit) for name, edit in _numbered(config["attributes"]).items()}


def _numbered(attributes: Sequence[int]) -> dict[str, Edit]:
    return {
        f"tag_{tag}_attribute_{attribute}": LatentEdit(tag=tag, attribute=attribute, seed=0)
        for tag, count in enumerate(attributes)
        for attribute in range(count)
    }
