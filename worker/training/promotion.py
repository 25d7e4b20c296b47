"""Decides whether a new perturbation replaces the active one.

Both are measured in one run, on the same held-out faces, against the targets both were trained on. What counts is the
target with the lowest effect: a version more than 2 % worse on its worst target is not activated.

A target that resists at this bound (its attainable effect is below the threshold) is reported but does not decide,
because differences there are noise, unless all of them resist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.effect import SUCCESS_THRESHOLD
from perturbations.evaluation import Evaluation, evaluate
from perturbations.targets.interface import Target

FACES: Final = 64
"""Held-out faces versions are compared on."""
TOLERANCE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions side by side. refused: why the new one is not activated; ``None`` if it is."""

    document: Mapping[str, Any]
    refused: str | None


def compare(
    candidate: Perturbation,
    active: Perturbation,
    *,
    targets: Sequence[Target],
    twins: Sequence[Target],
    faces: Sequence[Framed],
) -> Comparison:
    """Measure ``candidate`` and ``active``. targets: those the candidate was trained on. twins: theirs, if any."""
    shared = [target for target in targets if target.name in active.sidecar.get("targets", {})]
    if not shared:
        return Comparison(
            {"active": active.version, "faces": len(faces), "architectures": {}},
            f"It shares no target with the active version {active.version}, so the two cannot be compared. "
            "Activate it by hand if you want it.",
        )
    names = {target.name for target in shared}
    of_both = [twin for twin in twins if twin.name in names]
    old, new = (evaluate(faces, version, shared, twins=of_both) for version in (active, candidate))
    attainable = candidate.sidecar.get("attainable", {})
    resisting = {name for name in names if attainable.get(name, 1.0) <= SUCCESS_THRESHOLD}
    deciding = names - resisting or names
    before, after = _worst(old, deciding), _worst(new, deciding)
    document = {
        "active": active.version,
        "faces": len(faces),
        "architectures": {
            target.name: {
                "active": _figures(old, target.name),
                "candidate": _figures(new, target.name),
                "resists": target.name in resisting,
            }
            for target in shared
        },
        "worst": {"active": before, "candidate": after},
        "quality": {"active": _quality(old), "candidate": _quality(new)},
    }
    if after["l2_mask"] >= (1.0 - TOLERANCE) * before["l2_mask"]:
        return Comparison(document, None)
    return Comparison(
        document,
        f"Its worst target is {after['architecture']} with an L2mask of {after['l2_mask']:.4f}. That of the active "
        f"version {active.version} is {before['architecture']} with {before['l2_mask']:.4f}. "
        f"A version that is more than {TOLERANCE:.0%} worse is not activated automatically.",
    )


def _worst(evaluation: Evaluation, names: set[str]) -> dict[str, Any]:
    rows = {name: row for name, row in evaluation.transforms["none"].items() if name in names}
    worst = min(rows, key=lambda name: rows[name].effect.l2_mask)
    return {"architecture": worst, "l2_mask": rows[worst].effect.l2_mask}


def _figures(evaluation: Evaluation, name: str) -> dict[str, Any]:
    row = evaluation.transforms["none"][name]
    twin = row.twin
    return {
        "l2_mask": row.effect.l2_mask,
        "success_rate": row.effect.success_rate,
        "twin": None if twin is None else {"l2_mask": twin.l2_mask, "success_rate": twin.success_rate},
    }


def _quality(evaluation: Evaluation) -> dict[str, Any]:
    return {"psnr": evaluation.psnr, "ssim": evaluation.ssim, "epsilon": evaluation.epsilon}
