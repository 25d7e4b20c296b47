"""Train the face detector, or go on training it.

python -m perturbations.lab.detector --chips utkface-train-*.zip --people lfw-train.zip --empty FOLDER --work DIR
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import torch

from perturbations.faces.networks import FOLDER
from perturbations.lab.detector.card import write
from perturbations.lab.detector.scenes import Composer
from perturbations.lab.detector.sources import load
from perturbations.lab.detector.training import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="ZIPs of aligned face chips")
    parser.add_argument("--people", type=Path, nargs="+", required=True, help="ZIPs of 250 x 250 photos of one face")
    parser.add_argument("--empty", type=Path, nargs="+", required=True, help="folders of photos without faces")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint is kept")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--most", type=int, default=12_000, help="chips kept in memory")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    sources = load(given.chips, given.people, given.empty, most=given.most, seed=given.seed)
    training = Training(Composer(sources), steps=given.steps, seed=given.seed)
    for _ in training.run(given.work / "detector.pt"):
        write(given.out, training.trained.average, steps=training.trained.step)


if __name__ == "__main__":
    main()
