"""Measure the version that ships as photos get it, and write the figures into its sidecar.

    .venv/bin/python -m benchmarks.measure_shipped --faces utkface-val.zip && make figures

It needs every generator that the version was trained against: ``poise targets fetch`` the published ones first. The
papers add δ to a face at 256×256; that is measured too.

A training measures on faces it kept back from the archives it was given. These are of other people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from perturbations.artifact import SIDECAR, load, shipped
from perturbations.data.framed import framed_faces
from perturbations.evaluation import evaluate
from perturbations.files import replacing
from perturbations.training.figures import figures
from worker.commands._installation import installation
from worker.commands._targets import chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, nargs="+", required=True, help="faces that nothing was trained on")
    parser.add_argument("--limit", type=int, default=128)
    given = parser.parse_args()
    perturbation = load(shipped())
    targets, twins, _ = chosen(",".join(perturbation.sidecar["targets"]), device=torch.device("cpu"))
    faces = framed_faces(given.faces, locator=installation().locator).take(given.limit)
    measured = figures(faces, perturbation, targets, twins=twins)
    as_in_papers = evaluate(faces, perturbation, targets, transforms=("paper",)).document()["transforms"]["paper"]
    sidecar = {
        **perturbation.sidecar,
        **measured,
        "as_in_papers": as_in_papers,
        "faces": {**perturbation.sidecar["faces"], "measured_on": len(faces)},
    }
    with replacing(shipped() / SIDECAR) as partial:
        partial.write_text(json.dumps(sidecar, indent=1) + "\n")


if __name__ == "__main__":
    main()
