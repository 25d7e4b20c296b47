"""SimSwap (Chen et al., ACM MM 2020): identity-injection face swap.

The generator encodes the target picture, exchanges the identity in its bottleneck by adaptive instance norms whose
scales and shifts follow from the source's identity, and decodes. Layout: ``*_net_G.pth`` of the official implementation
(``Generator_Adain_Upsample``), run with ``eval()``; it takes and gives pictures in [0, 1], which is handled here.

A protected photo can stand on either side of a swap. An edit with an identity (:class:`TargetEdit`,
:class:`SeededEdit`) puts that identity on the photo, so the photo is what the mask is taken against, and the tap is the
bottleneck. A :class:`SourceEdit` puts the identity of the photo on a template face, so the mask is taken against the
template, and the tap joins the photo's identity with the bottleneck. For the latter a target carries an identity
encoder and templates, which official checkpoints lack: those have target-side edits only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.images import resize
from perturbations.targets.batches import together
from perturbations.targets.interface import Layout, Manipulation, Target
from perturbations.targets.networks.identity import IdentityEncoder
from perturbations.targets.networks.simswap import SimSwapGenerator


class Templates(nn.Module):
    """Faces of nobody that identities are put on: ``faces [N, 3, S, S]`` in [-1, 1]."""

    faces: Tensor

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.register_buffer("faces", torch.zeros(count, 3, size, size))


@dataclass(frozen=True, slots=True)
class TargetEdit:
    """Put an identity (``latent_size`` numbers, of any length but 0) on the photo."""

    identity: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SeededEdit:
    """Put an identity on the photo that ``seed`` draws on the CPU, uniformly from the sphere."""

    seed: int


@dataclass(frozen=True, slots=True)
class SourceEdit:
    """Put the identity of the photo on the template of that index."""

    template: int


Edit = TargetEdit | SeededEdit | SourceEdit

OFFICIAL_EDITS: Mapping[str, Edit] = {"identity_0": SeededEdit(seed=0), "identity_1": SeededEdit(seed=1)}
"""Edits of official checkpoints, chosen for Poise. For the identity of a picture, configure the edit with ArcFace's
result: official code divides by the ImageNet deviations, halves the picture to 112x112 and normalises to length 1."""


def parse_edit(fields: Mapping[str, Any]) -> Edit:
    """An edit from its JSON form, ``{"identity"}``, ``{"seed"}`` or ``{"template"}``.

    Raises:
        TypeError: a field is missing or unknown.
    """
    if "identity" in fields:
        given = TargetEdit(**fields)
        return TargetEdit(tuple(float(value) for value in given.identity))
    if "seed" in fields:
        return SeededEdit(**{name: int(value) for name, value in fields.items()})
    return SourceEdit(**{name: int(value) for name, value in fields.items()})


class FaceSwap(Target):
    """A SimSwap generator as a target; an edit says on which side of the swap the photo is.

    Args:
        identity_width: channels of the identity encoder's first layer; 0 for none.
        templates: how many template faces there are, of ``template_size`` pixels (shown at ``image_size``).

    Raises:
        ValueError: an edit holds an identity of the wrong length, or asks for what this target does not carry.
    """

    architecture = "faceswap"
    paradigm = "identity-injection face swap"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {
            "target": {"identity": (0.5, -1.0, 0.25, 2.0)},
            "seeded": {"seed": 3},
            "source": {"template": 0},
        },
        "image_size": 32,
        "width": 4,
        "latent_size": 4,
        "n_blocks": 2,
        "identity_width": 4,
        "templates": 1,
        "template_size": 16,
    }
    generator: SimSwapGenerator

    def __init__(
        self,
        *,
        edits: Mapping[str, Edit | Mapping[str, Any]],
        image_size: int = 224,
        width: int = 64,
        latent_size: int = 512,
        n_blocks: int = 9,
        identity_width: int = 0,
        templates: int = 0,
        template_size: int = 64,
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        if image_size % 8 or image_size < 16:
            raise ValueError(f"image_size must be a multiple of 8, at least 16, got {image_size}")
        self.hyper = {"width": width, "latent_size": latent_size, "n_blocks": n_blocks}
        self.carried = {"identity_width": identity_width, "templates": templates, "template_size": template_size}
        self.generator = SimSwapGenerator(**self.hyper)
        self.identity = IdentityEncoder(width=identity_width, latent_size=latent_size) if identity_width else None
        self.templates = Templates(templates, template_size) if templates else None
        self.specs: dict[str, Edit] = {}
        for name, edit in edits.items():
            self.set_edit(name, parse_edit(edit) if isinstance(edit, Mapping) else edit)
        self.freeze()

    def set_edit(self, name: str, edit: Edit) -> None:
        """Set what one of the edits does.

        Raises:
            ValueError: see the class.
        """
        size, count = self.hyper["latent_size"], self.carried["templates"]
        if isinstance(edit, TargetEdit):
            if len(edit.identity) != size:
                raise ValueError(f"edit {name!r}: an identity has {size} values, not {len(edit.identity)}")
            if not 0.0 < math.hypot(*edit.identity) < math.inf:
                raise ValueError(f"edit {name!r}: an identity must be finite and not zero")
        elif isinstance(edit, SeededEdit):
            if not 0 <= edit.seed < 2**63:
                raise ValueError(f"edit {name!r}: a seed must lie between 0 and 2**63 - 1, got {edit.seed}")
        elif self.identity is None:
            raise ValueError(f"edit {name!r} reads the photo's identity, but there is no identity encoder")
        elif not 0 <= edit.template < count:
            raise ValueError(f"edit {name!r}: template {edit.template}, but there are {count}")
        self.specs[name] = edit

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        carried = {"identity": self.identity, "templates": self.templates}
        return {name: module for name, module in carried.items() if module is not None}

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        face, identity = self._swapped(x, edit)
        bottleneck = self.generator.swap((face + 1) / 2, identity)
        source = isinstance(self.specs[edit], SourceEdit)
        tap = joint_tap(identity, bottleneck, blocks=self.hyper["n_blocks"]) if source else bottleneck
        return Manipulation(self.generator.decode(bottleneck) * 2 - 1, tap)

    def outputs(self, x: Tensor, edits: Sequence[str]) -> Iterator[Tensor]:
        def swap(some: Sequence[str]) -> Tensor:
            faces, identities = zip(*(self._swapped(x, edit) for edit in some), strict=True)
            bottleneck = self.generator.swap((torch.cat(faces) + 1) / 2, torch.cat(identities))
            return self.generator.decode(bottleneck) * 2 - 1

        return together(x, edits, swap)

    def _swapped(self, x: Tensor, edit: str) -> tuple[Tensor, Tensor]:
        """What an edit swaps: the face that is painted again, and the identity that is put on it."""
        spec = self.specs[self.known_edit(edit)]
        if isinstance(spec, SourceEdit):
            return self._template(spec, x), self.read_identity(x).to(x.dtype)
        return x, self._fixed(spec, x).expand(x.shape[0], -1)

    def mask_reference(self, x: Tensor, edit: str) -> Tensor:
        spec = self.specs[self.known_edit(edit)]
        return self._template(spec, x) if isinstance(spec, SourceEdit) else x

    def steals_identity(self, edit: str) -> bool:
        return isinstance(self.specs[self.known_edit(edit)], SourceEdit)

    def read_identity(self, x: Tensor) -> Tensor:
        """The identity in a picture, ``[B, latent_size]`` of length 1; ``x`` is ``[B, 3, H, W]`` in [-1, 1].

        Raises:
            ValueError: this target carries no identity encoder.
        """
        if self.identity is None:
            raise ValueError(f"this {self.name} target has no identity encoder")
        return cast(Tensor, self.identity(x))

    def _fixed(self, spec: TargetEdit | SeededEdit, like: Tensor) -> Tensor:
        """The identity an edit brings, ``[1, latent_size]`` of length 1."""
        if isinstance(spec, TargetEdit):
            given = torch.tensor([spec.identity])
        else:
            noise = torch.Generator().manual_seed(spec.seed)
            given = torch.randn(1, self.hyper["latent_size"], generator=noise)
        return F.normalize(given, dim=1).to(like)

    def _template(self, spec: SourceEdit, like: Tensor) -> Tensor:
        """The template of an edit, once for every picture of ``like``."""
        assert self.templates is not None  # noqa: S101 - set_edit has seen to it
        face = resize(self.templates.faces[spec.template : spec.template + 1], self.image_size)
        return face.to(like).expand(like.shape[0], -1, -1, -1)

    @property
    def config(self) -> Mapping[str, Any]:
        edits = {name: asdict(self.specs[name]) for name in self.edits}
        return {"image_size": self.image_size, "edits": edits, **self.hyper, **self.carried}

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        shapes = layout.shapes
        first, style = shapes.get("first_layer.1.weight"), shapes.get("BottleNeck.0.style1.linear.weight")
        if first is None or style is None:
            return None
        blocks = {name.split(".")[1] for name in shapes if name.startswith("BottleNeck.")}
        sizes = {"width": first[0], "latent_size": style[1], "n_blocks": len(blocks)}
        edits = {name: asdict(edit) for name, edit in OFFICIAL_EDITS.items()}
        # the official checkpoints work on faces of 224 pixels
        return {"image_size": 224, "edits": edits, **sizes}

    @classmethod
    def missing_details(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Only the image size: the edits are identities chosen for Poise, which any such network takes."""
        del config
        return ("image_size",)


def joint_tap(identity: Tensor, bottleneck: Tensor, *, blocks: int) -> Tensor:
    """Identity ``[B, L]`` and bottleneck ``[B, C, h, w]`` as one tap, ``[B, L + C * h * w]``, of about equal power.

    The bottleneck adds a rectified normed map (mean square about 1/2) and one normed map per block (about 1 each);
    an identity has length 1, so it is scaled by the root of ``C * h * w * (blocks + 1/2)``.
    """
    flat = bottleneck.flatten(1)
    scale = (flat.shape[1] * (blocks + 0.5)) ** 0.5
    return torch.cat([identity * scale, flat], dim=1)
