"""Evaluates one perturbation on many faces, through 8-bit files, as an attacker would get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.effect import l2_mask, success_rate
from perturbations.evaluation.identity import IdentitySimilarity, identity_similarity
from perturbations.evaluation.transforms import Subject, delivery
from perturbations.faces import cut
from perturbations.quality import measure
from perturbations.targets.interface import Target

BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect on one generator: means over the (face, edit) pairs that manipulate anything.

    ``l2_mask`` and ``success_rate`` are 0 where ``manipulated`` is.
    """

    l2_mask: float
    success_rate: float
    manipulated: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class ArchitectureEffect:
    """Effect on the surrogate δ was trained on, and on its twin, which nothing was trained on.

    identity: similarities by edit, if edits steal identities and the twin can judge them; else empty.
    """

    paradigm: str
    effect: Effect
    attainable: float | None
    twin: Effect | None
    identity: Mapping[str, IdentitySimilarity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Effects by transform and architecture, and the mean quality of the protected crops."""

    perturbation: str
    images: int
    epsilon: float
    transforms: Mapping[str, Mapping[str, ArchitectureEffect]]
    psnr: float
    ssim: float
    max_abs_diff: int

    def document(self) -> dict[str, Any]:
        """What ``poise evaluate --json`` prints."""
        return {
            "perturbation": self.perturbation,
            "images": self.images,
            "epsilon": self.epsilon,
            "transforms": {name: _summary(rows) for name, rows in self.transforms.items()},
            "quality": {"psnr": self.psnr, "ssim": self.ssim, "max_abs_diff": self.max_abs_diff},
        }


def _figures(effect: Effect) -> dict[str, Any]:
    return {
        "l2_mask": effect.l2_mask,
        "success_rate": effect.success_rate,
        "manipulated": effect.manipulated,
        "evaluated": effect.evaluated,
    }


def _summary(rows: Mapping[str, ArchitectureEffect]) -> dict[str, Any]:
    architectures = {
        name: {
            "paradigm": row.paradigm,
            **_figures(row.effect),
            "attainable": row.attainable,
            "twin": None if row.twin is None else _figures(row.twin),
            **({"identity_similarity": {k: asdict(v) for k, v in row.identity.items()}} if row.identity else {}),
        }
        for name, row in rows.items()
    }
    weakest = min(rows, key=lambda name: rows[name].effect.l2_mask)
    low, high = rows[weakest].effect, max(row.effect.l2_mask for row in rows.values())
    return {
        "architectures": architectures,
        "worst": {"architecture": weakest, "l2_mask": low.l2_mask, "success_rate": low.success_rate},
        "balance": low.l2_mask / high if high > 0.0 else 0.0,
    }


@torch.inference_mode()
def effects_on(target: Target, originals: Tensor, protected: Mapping[str, Tensor]) -> dict[str, Effect]:
    """Effects on one generator, by transform; all ``[N, 3, S, S]`` in [-1, 1] at its resolution, on any device."""
    seen: dict[str, list[Tensor]] = {name: [] for name in protected}
    for start in range(0, len(originals), BATCH):
        x = originals[start : start + BATCH].to(target.device)
        references = [target.mask_reference(x, edit) for edit in target.edits]
        clean = list(target.outputs(x, target.edits))
        for name, photos in protected.items():
            attacked = photos[start : start + BATCH].to(target.device)
            made = target.outputs(attacked, target.edits)
            seen[name] += [l2_mask(*three).cpu() for three in zip(references, clean, made, strict=True)]
    return {name: _mean_effect(torch.cat(effects)) for name, effects in seen.items()}


def _mean_effect(effects: Tensor) -> Effect:
    valid = effects[~effects.isnan()]
    if not len(valid):
        return Effect(0.0, 0.0, 0, len(effects))
    success = float(success_rate(valid))
    return Effect(float(valid.mean()), success, len(valid), len(effects))


def evaluate(
    faces: Sequence[Framed],
    perturbation: Perturbation,
    targets: Sequence[Target],
    *,
    twins: Sequence[Target] = (),
    transforms: Sequence[str] = ("none",),
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Protect every face, deliver it in every way, attack it.

    Args:
        progress: called with (done, total) pieces of work.

    Raises:
        BadInput: an unknown transform.
        ValueError: no faces or no targets.
    """
    if not faces or not targets:
        raise ValueError("an evaluation needs faces and targets")
    deliveries = {name: delivery(name) for name in transforms}
    twin_of = {twin.name: twin for twin in twins}
    total = len(faces) + len(targets) + len(twin_of)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    sizes = sorted({target.image_size for target in (*targets, *twins)})
    # deliveries that leave the photo's size and crop alone are compared with the same originals
    own = {name: name if deliver.own_original else "" for name, deliver in deliveries.items()}
    originals: dict[tuple[str, int], list[Tensor]] = {}
    protected: dict[tuple[str, int], list[Tensor]] = {}
    qualities = []
    for face in faces:
        subject = Subject(face, perturbation)
        qualities.append(measure(cut(face.image, face.region), cut(subject.protected, face.region)))
        compared = set()
        for name, deliver in deliveries.items():
            attacked = deliver.attack(subject)
            for size in sizes:
                protected.setdefault((name, size), []).append(attacked.protected(size))
                if own[name] not in compared:
                    originals.setdefault((own[name], size), []).append(attacked.original(size))
            compared.add(own[name])
        advance()
    clean = {key: torch.cat(rows) for key, rows in originals.items()}
    attainable = perturbation.sidecar.get("attainable", {})

    def on(target: Target) -> dict[str, Effect]:
        size = target.image_size
        effects: dict[str, Effect] = {}
        for kind in dict.fromkeys(own.values()):
            delivered = {name: torch.cat(protected[name, size]) for name in deliveries if own[name] == kind}
            effects |= effects_on(target, clean[kind, size], delivered)
        advance()
        return effects

    on_targets = {target.name: on(target) for target in targets}
    on_twins = {name: on(twin) for name, twin in twin_of.items()}
    rows = {
        name: {
            target.name: ArchitectureEffect(
                paradigm=target.paradigm,
                effect=on_targets[target.name][name],
                attainable=attainable.get(target.name),
                twin=on_twins[target.name][name] if target.name in on_twins else None,
                identity=identity_similarity(
                    target,
                    twin_of.get(target.name),
                    clean[own[name], target.image_size],
                    protected[name, target.image_size],
                ),
            )
            for target in targets
        }
        for name in deliveries
    }
    return Evaluation(
        perturbation=perturbation.version,
        images=len(faces),
        epsilon=perturbation.epsilon,
        transforms=rows,
        psnr=sum(q.psnr for q in qualities) / len(qualities),
        ssim=sum(q.ssim for q in qualities) / len(qualities),
        max_abs_diff=max(q.max_abs_diff for q in qualities),
    )
