"""The figures in a version's sidecar: what it does as it is delivered, after a JPEG, and in other crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from perturbations.artifact import Perturbation
from perturbations.data.framed import Framed
from perturbations.evaluation import evaluate
from perturbations.targets.interface import Target

WAYS: Final[Mapping[str, str]] = {"effect": "none", "after_jpeg": "jpeg75", "in_other_crops": "recrop8"}
"""Field of the sidecar, and the transform of the evaluation. Other crops differ as those of training do."""


def figures(
    faces: Sequence[Framed],
    perturbation: Perturbation,
    targets: Sequence[Target],
    *,
    twins: Sequence[Target],
) -> dict[str, Any]:
    """Effects and quality, by field of the sidecar."""
    measured = evaluate(faces, perturbation, targets, twins=twins, transforms=tuple(WAYS.values())).document()
    return {
        **{field: measured["transforms"][way] for field, way in WAYS.items()},
        "quality": measured["quality"],
    }
