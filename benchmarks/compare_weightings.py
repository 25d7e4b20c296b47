"""Train one perturbation per weighting, all alike otherwise, and print the table of their effects.

    .venv/bin/python benchmarks/compare_weightings.py --faces A.zip B.zip --validate V.zip --out DIR [--preset paper]

Runs land in ``DIR/<weighting>`` and resume there; attainable effects are trained once and shared.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from perturbations.checkpoints.shipped import load_surrogates, surrogate_hashes
from perturbations.data.framed import framed_faces
from perturbations.evaluation import evaluate
from perturbations.training import preset
from perturbations.training.run import TrainingRun


def _effect(row: dict[str, float]) -> str:
    return f"{row['l2_mask']:.4f}/{100 * row['success_rate']:.1f}"


def main() -> None:
    """Parse, train, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", nargs="+", required=True)
    parser.add_argument("--validate", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--weightings", default="uniform,grad_norm,aef,aef_scaled")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--epsilon", type=float, default=0.05)
    arguments = parser.parse_args()
    targets, twins = load_surrogates(), load_surrogates(twins=True)
    training_faces = framed_faces(arguments.faces)
    done: list[Path] = []
    print(
        "| weighting | faces | "
        + " | ".join(f"{t.name} (twin), after JPEG 75" for t in targets)
        + " | worst | balance | SSIM |"
    )
    print("|---|---|" + "---|" * (len(targets) + 3))
    for name in arguments.weightings.split(","):
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        for shared in done[0].glob("alone-*.json") if done else ():
            shutil.copy(shared, folder)
        run = TrainingRun(
            preset(arguments.preset, weighting=name, epsilon=arguments.epsilon, seed=0),
            targets=targets,
            twins=twins,
            faces=training_faces,
            folder=folder,
            hashes=surrogate_hashes(),
        )
        perturbation = run.run()
        done.append(folder)
        for archive in arguments.validate:
            faces = framed_faces([archive]).take(arguments.limit)
            document = evaluate(faces, perturbation, targets, twins=twins, transforms=("none", "jpeg75")).document()
            (folder / f"evaluation-{Path(archive).stem}.json").write_text(json.dumps(document, indent=1))
            summary = document["transforms"]["none"]
            cells = []
            for architecture, row in summary["architectures"].items():
                compressed = document["transforms"]["jpeg75"]["architectures"][architecture]
                cells.append(f"{_effect(row)} ({_effect(row['twin'])}), {_effect(compressed)}")
            ssim = document["quality"]["ssim"]
            print(
                f"| {name} | {Path(archive).stem} | " + " | ".join(cells),
                f"| {summary['worst']['l2_mask']:.4f} | {summary['balance']:.2f} | {ssim:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
