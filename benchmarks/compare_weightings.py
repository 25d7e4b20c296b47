"""Train one perturbation per weighting and seed, all alike otherwise, and print what each does to every generator.

    .venv/bin/python -m benchmarks.compare_weightings --faces A.zip B.zip --validate V.zip --out DIR
        [--weightings uniform grad_norm aef:3 aef_scaled:3:floor=0.15] [--preset full] [--steps 60] [--set images=160]

``NAME:N`` trains with N seeds, ``NAME:N:OPTION=VALUE`` with that hyper-parameter of the weighting. What a training came
to is kept in DIR; with the same options and files it is not repeated. The bound and what is attainable are those of the
active version, so that nothing is trained alone. Published generators are compared if they are in the store.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from perturbations.artifact import Perturbation, version_of
from perturbations.data.framed import Framed, framed_faces
from perturbations.evaluation import evaluate
from perturbations.files import replacing
from perturbations.images import RgbArray
from perturbations.targets.interface import Target
from perturbations.training import preset
from perturbations.training.config import SIDE, TrainingConfig
from perturbations.training.loop import Training
from worker.commands._hyper_parameters import changed
from worker.commands._installation import installation
from worker.commands._targets import chosen
from worker.commands._versions import found

DELIVERIES: Final = {
    "paper": "δ added at 256×256, as in the papers",
    "face256": "Faces of 256 pixels",
    "face256+jpeg75": "Faces of 256 pixels, after JPEG 75",
    "face128": "Faces of 128 pixels",
    "platform": "After a messenger",
}
"""What is measured, and the heading of its table."""
_MOVED: Final = 0.01
"""Mean L2mask of a generator that is worth a column."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all trainings share. attainable: mean L2mask by target."""

    targets: Sequence[Target]
    twins: Sequence[Target]
    chips: RgbArray
    validation: Sequence[Framed]
    attainable: Mapping[str, float]


def trained(config: TrainingConfig, ground: Ground) -> torch.Tensor:
    """δ at the end of a training from nothing."""
    training = Training(ground.targets, ground.chips, config, attainable=ground.attainable)
    for report in training:
        effects = ", ".join(f"{name} {effect or 0:.3f}" for name, effect in report.effect.items())
        print(f"{config.weighting} {config.seed}: {report.step} of {report.steps}: {effects}", file=sys.stderr)
    return training.delta


def measured(config: TrainingConfig, ground: Ground, kept: Path) -> dict[str, Any]:
    """The evaluation of one training, made if it is not ``kept`` yet."""
    if not kept.exists():
        delta = trained(config, ground)
        made = Perturbation(version_of(delta, weighting=config.weighting), delta, config.epsilon, {})
        result = evaluate(
            ground.validation, made, ground.targets, twins=ground.twins, transforms=tuple(DELIVERIES)
        ).document()
        with replacing(kept) as partial:
            partial.write_text(json.dumps(result, indent=1))
    document: dict[str, Any] = json.loads(kept.read_text())
    return document


def tables(documents: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """One table of Markdown per delivery; ``documents`` by weighting. What nothing moves has no column."""
    everything = [one for some in documents.values() for one in some]
    for delivery, heading in DELIVERIES.items():
        columns = [
            column
            for name in everything[0]["transforms"][delivery]["architectures"]
            for column in (name, f"{name} twin")
            if max(_row(one, delivery, column)["l2_mask"] for one in everything) > _MOVED
        ]
        if not columns:
            yield f"{heading}: nothing is moved.\n"
            continue
        yield f"{heading}:\n"
        yield f"| weighting, seeds | {' | '.join(columns)} | SSIM |"
        yield "|---" * (len(columns) + 2) + "|"
        for weighting, some in documents.items():
            cells = [_cell([_row(one, delivery, column) for one in some]) for column in columns]
            ssim = np.mean([one["quality"]["ssim"] for one in some])
            yield f"| {weighting}, {len(some)} | {' | '.join(cells)} | {ssim:.3f} |"
        yield ""


def _row(document: Mapping[str, Any], delivery: str, column: str) -> Mapping[str, float]:
    """The figures of a generator, or of its twin; nothing where it has none."""
    rows = document["transforms"][delivery]["architectures"]
    found_row: Mapping[str, float] = rows[column.removesuffix(" twin")]
    if column.endswith(" twin"):
        found_row = rows[column.removesuffix(" twin")]["twin"] or {"l2_mask": 0.0, "success_rate": 0.0}
    return found_row


def _cell(rows: Sequence[Mapping[str, float]]) -> str:
    """Mean L2mask and interrupted faces in per cent, with the lowest and highest of several seeds."""
    rates = [100 * row["success_rate"] for row in rows]
    spread = f" ({min(rates):.0f} to {max(rates):.0f})" if len(rows) > 1 else ""
    return f"{np.mean([row['l2_mask'] for row in rows]):.3f} / {np.mean(rates):.0f}{spread}"


def digest(options: Any) -> str:
    """A short name of everything that a result depends on."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:8]


def main() -> None:
    """Parse, train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", nargs="+", required=True, help="folders or ZIP files to train on")
    parser.add_argument("--validate", nargs="+", required=True, help="faces that nothing was trained on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weightings", nargs="+", default=["uniform", "grad_norm", "aef:3", "aef_scaled:3"])
    parser.add_argument("--targets", default="", help="comma-separated; default: all that ship and are in the store")
    parser.add_argument("--preset", default="full")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--limit", type=int, default=24, help="faces measured on")
    asked = parser.parse_args()
    known = found()

    def config(weighting: str, seed: int, *options: str) -> TrainingConfig:
        made = preset(asked.preset, weighting=weighting, epsilon=known.epsilon, seed=seed, steps=asked.steps)
        return changed(made, [*asked.settings, *(f"weighting.{option}" for option in options)])

    locator = installation().locator
    targets, twins, hashes = chosen(asked.targets, device=torch.device("cpu"))
    if unknown := sorted(name for name, hash_ in hashes.items() if known.sidecar["targets"].get(name) != hash_):
        parser.error(f"the active version was not trained on {', '.join(unknown)}; choose others with --targets")
    files = [[name, Path(name).stat().st_size] for name in (*asked.faces, *asked.validate)]
    training_faces = framed_faces(asked.faces, locator=locator).readable(config("uniform", 0).images)
    ground = Ground(
        targets,
        twins,
        np.stack([face.chip(SIDE) for face in training_faces]),
        framed_faces(asked.validate, locator=locator).take(asked.limit),
        known.sidecar["attainable"],
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    documents: dict[str, list[dict[str, Any]]] = {}
    for asked_for in asked.weightings:
        name, seeds, *options = asked_for.split(":") if ":" in asked_for else (asked_for, "1")
        label = " ".join([name, *options])
        for seed in range(int(seeds)):
            made = config(name, seed, *options)
            kept = asked.out / f"{label}-{seed}-{digest([asdict(made), hashes, files, asked.limit])}.json"
            documents.setdefault(label, []).append(measured(made, ground, kept))
    print("\n".join(tables(documents)))


if __name__ == "__main__":
    main()
