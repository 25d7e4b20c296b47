"""Latent diffusion (Rombach et al., CVPR 2022): pictures are edited as latents, between an encoder and a decoder.

Official weights are the autoencoder alone, in the layout of the diffusers library's ``AutoencoderKL`` (a folder ``vae``
or the safetensors in it) or its ``AutoencoderTiny`` (the TAESD family, in the library's files or its author's).
Before a diffusion model does anything to a photo, the photo passes this encoder. Without a denoiser only two edits
are possible: ``reconstruction`` paints the photo again from its latent, and ``image_to_image`` does so from a
latent under seeded noise, which is where editing begins.

Poise's surrogates also hold a denoiser, under ``editor.`` beside ``vae.``, and an edit is complete: encode, add the
noise of the edit's seed, take it out in a few DDIM steps towards the edit's labels, decode.

The tap is the latent's moments, mean and standard deviation; a tiny autoencoder has no second. An edit is measured
against the photo, except if the whole picture is painted again (``whole``): then every pixel counts, however little
it changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from perturbations.errors import BadCheckpoint
from perturbations.targets.interface import Layout, Manipulation, Target, label_tensor
from perturbations.targets.networks import autoencoder_kl, autoencoder_tiny
from perturbations.targets.networks.autoencoder_kl import AutoencoderKL
from perturbations.targets.networks.autoencoder_tiny import AutoencoderTiny
from perturbations.targets.networks.latent_editor import LatentEditor
from perturbations.targets.networks.latent_generator import Autoencoder, LatentGenerator

IMAGE_TO_IMAGE_NOISE: Final = 0.3
"""Of the official autoencoder's edit, in standard deviations of its latents."""
MAX_BLOCKS: Final = 8
MAX_STEPS: Final = 100


@dataclass(frozen=True, slots=True)
class DiffusionEdit:
    """What one edit fixes.

    noise: standard deviation of the noise; in units of all latents if there is an editor, else of the latent.
    seed: of the noise, drawn on the CPU.
    labels: what the photo should become, in {0, 1}; empty without an editor.
    whole: the picture counts as manipulated everywhere.
    """

    noise: float
    seed: int = 0
    labels: tuple[float, ...] = ()
    whole: bool = False


class LatentDiffusion(Target):
    """Latent diffusion as a target, with an editor (``editor_width`` above zero) or as the bare official autoencoder.

    ``tiny_blocks``, the residual blocks of every stage, makes the autoencoder an ``AutoencoderTiny``; else it is an
    ``AutoencoderKL``.

    Raises:
        ValueError: an edit's labels do not fit the editor, or a size makes no sense.
    """

    generator: LatentGenerator | Autoencoder
    architecture = "latent_diffusion"
    paradigm = "diffusion autoencoder"
    small: ClassVar[Mapping[str, Any]] = {
        "edits": {
            "male": {"noise": 1.0, "seed": 0, "labels": (1.0, 0.0)},
            "old": {"noise": 1.0, "seed": 1, "labels": (0.0, 1.0)},
        },
        "image_size": 32,
        "block_out_channels": (4, 8),
        "layers_per_block": 1,
        "latent_channels": 2,
        "norm_num_groups": 4,
        "editor_width": 4,
        "n_labels": 2,
    }

    def __init__(
        self,
        *,
        edits: Mapping[str, DiffusionEdit | Mapping[str, Any]],
        image_size: int = 256,
        block_out_channels: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        latent_channels: int = 4,
        norm_num_groups: int = autoencoder_kl.OFFICIAL_GROUPS,
        mid_block_attention: bool = True,
        quant_conv: bool = True,
        editor_width: int = 0,
        n_labels: int = 0,
        sampling_steps: int = 2,
        tiny_blocks: Sequence[int] = (),
    ) -> None:
        super().__init__(image_size=image_size, edits=tuple(edits))
        if not 0 < len(block_out_channels) <= MAX_BLOCKS or not 0 < sampling_steps <= MAX_STEPS:
            raise ValueError(f"an autoencoder has 1 to {MAX_BLOCKS} blocks, sampling 1 to {MAX_STEPS} steps")
        if len(tiny_blocks) > MAX_BLOCKS or sum(tiny_blocks) > MAX_STEPS:
            raise ValueError(f"a tiny autoencoder has 1 to {MAX_BLOCKS} stages of few residual blocks")
        self.specs = {name: parse_edit(edit) for name, edit in edits.items()}
        for name, spec in self.specs.items():
            _check(name, spec, n_labels if editor_width else 0)
        self.tiny = bool(tiny_blocks)
        self.hyper: dict[str, Any] = {
            "block_out_channels": tuple(block_out_channels),
            "latent_channels": latent_channels,
        }
        if self.tiny:
            self.hyper["tiny_blocks"] = tuple(tiny_blocks)
        else:
            self.hyper |= {
                "layers_per_block": layers_per_block,
                "norm_num_groups": norm_num_groups,
                "mid_block_attention": bool(mid_block_attention),
                "quant_conv": bool(quant_conv),
            }
        self.sampling = {"editor_width": editor_width, "n_labels": n_labels, "sampling_steps": sampling_steps}
        vae: Autoencoder = AutoencoderTiny(**self.hyper) if self.tiny else AutoencoderKL(**self.hyper)
        if editor_width:
            editor = LatentEditor(latent_channels=latent_channels, width=editor_width, n_labels=n_labels)
            self.generator = LatentGenerator(vae, editor, latent_channels=latent_channels)
        else:
            self.generator = vae
        self.freeze()

    def manipulate(self, x: Tensor, edit: str) -> Manipulation:
        latent, std = self._encoded(x)
        return Manipulation(self._painted(latent, edit), latent if std is None else torch.cat([latent, std], dim=1))

    def outputs(self, x: Tensor, edits: Sequence[str]) -> Iterator[Tensor]:
        latent, _ = self._encoded(x)
        return (self._painted(latent, edit) for edit in edits)

    def _encoded(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The latent's moments: as the autoencoder gives them, or standardised if there is an editor."""
        generator = self.generator
        if not isinstance(generator, LatentGenerator):
            return generator.encode(x)
        mean, std = generator.vae.encode(x)
        return generator.standardized(mean), None if std is None else generator.scaled(std)

    def _painted(self, latent: Tensor, edit: str) -> Tensor:
        """The output of an edit that begins at ``latent``."""
        spec, generator = self.specs[self.known_edit(edit)], self.generator
        noise = _noise(spec, latent)
        if not isinstance(generator, LatentGenerator):
            return generator.decode(latent + spec.noise * noise).clamp(-1, 1)
        labels, steps = label_tensor(spec.labels, latent), self.sampling["sampling_steps"]
        edited = generator.editor.edit(latent, labels, noise, sigma=spec.noise, steps=steps)
        return generator.vae.decode(generator.restored(edited)).clamp(-1, 1)

    def mask_reference(self, x: Tensor, edit: str) -> Tensor:
        """The photo; of an edit that paints it all again, the opposite of every pixel, so that every pixel counts."""
        return torch.where(x < 0, 1.0, -1.0).to(x) if self.specs[self.known_edit(edit)].whole else x

    @property
    def config(self) -> Mapping[str, Any]:
        edits = {name: asdict(spec) for name, spec in self.specs.items()}
        return {"image_size": self.image_size, "edits": edits, **self.hyper, **self.sampling}

    @classmethod
    def canonical(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if "encoder.0.weight" in state:
            return autoencoder_tiny.renamed(state)
        return autoencoder_kl.renamed(state) if "encoder.conv_in.weight" in state else state

    @classmethod
    def infer_config(cls, layout: Layout) -> Mapping[str, Any] | None:
        first = layout.shapes.get("editor.conv_in.weight")
        if first is None:
            tiny = autoencoder_tiny.infer(layout)
            if tiny is not None:
                return {"image_size": 256, "edits": official_edits(scale=1.0), **tiny}
            found = autoencoder_kl.infer(layout)
            return None if found is None else {"image_size": 256, "edits": official_edits(), **found}
        inner = {name.removeprefix("vae."): s for name, s in layout.shapes.items() if name.startswith("vae.")}
        found = autoencoder_tiny.infer(Layout(inner)) or autoencoder_kl.infer(Layout(inner))
        if found is None:
            return None
        n_labels = layout.shapes["editor.embed.0.weight"][1] - 1
        return {
            "image_size": 64,
            "edits": {name: asdict(edit) for name, edit in _numbered(n_labels).items()},
            **found,
            "editor_width": first[0],
            "n_labels": n_labels,
        }

    @classmethod
    def missing_details(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The edits of an autoencoder alone are known; the meaning of an editor's labels is not."""
        return ("image_size", "edits") if config.get("editor_width") else ("image_size",)

    @classmethod
    def infer_beside(cls, config: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
        path = folder / "config.json"
        if not path.is_file():
            return config
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BadCheckpoint(f"{path} is not JSON; copy or download it again") from error
        if not isinstance(found, dict) or "_class_name" not in found:
            return config
        told = (autoencoder_tiny if "tiny_blocks" in config else autoencoder_kl).from_config_json(found)
        edits = official_edits(scale=told.pop("scale"))
        return {**config, **told, "edits": edits}


def official_edits(*, scale: float = autoencoder_kl.STABLE_DIFFUSION_SCALE) -> dict[str, dict[str, Any]]:
    """The edits of a bare autoencoder whose latents ``scale`` brings to unit variance."""
    edits = {
        "reconstruction": DiffusionEdit(noise=0.0, whole=True),
        "image_to_image": DiffusionEdit(noise=IMAGE_TO_IMAGE_NOISE / scale),
    }
    return {name: asdict(edit) for name, edit in edits.items()}


def parse_edit(edit: DiffusionEdit | Mapping[str, Any]) -> DiffusionEdit:
    """An edit from its JSON form, the fields of :class:`DiffusionEdit`.

    Raises:
        TypeError: a field is missing or unknown.
    """
    spec = edit if isinstance(edit, DiffusionEdit) else DiffusionEdit(**edit)
    return DiffusionEdit(float(spec.noise), int(spec.seed), tuple(map(float, spec.labels)), bool(spec.whole))


def _check(name: str, spec: DiffusionEdit, n_labels: int) -> None:
    if len(spec.labels) != n_labels:
        raise ValueError(f"edit {name!r} has {len(spec.labels)} labels, the generator takes {n_labels}")
    if not 0 <= spec.noise < 1e3 or (n_labels and not spec.noise):
        raise ValueError(f"edit {name!r}: noise must be below 1000, and above zero if there is an editor")
    if not 0 <= spec.seed < 2**63:
        raise ValueError(f"edit {name!r}: a seed must lie between 0 and 2**63 - 1, got {spec.seed}")


def _noise(spec: DiffusionEdit, like: Tensor) -> Tensor:
    """The edit's noise, ``[1, C, h, w]``, the same for every photo."""
    drawn = torch.randn((1, *like.shape[1:]), generator=torch.Generator().manual_seed(spec.seed))
    return drawn.to(like)


def _numbered(count: int) -> dict[str, DiffusionEdit]:
    """One edit per label, that label alone set."""
    return {
        f"attribute_{i}": DiffusionEdit(noise=1.0, seed=i, labels=tuple(float(i == j) for j in range(count)))
        for i in range(count)
    }
