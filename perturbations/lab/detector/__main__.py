"""Train the face detector, or go on training it.

python -m perturbations.lab.detector --chips utkface-train-*.zip --people lfw-train.zip --empty FOLDER --work DIR
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import torch

from perturbations.faces.learned import MODEL
from perturbations.lab.detector.card import card
from perturbations.lab.detector.judging import TIMES, Judging
from perturbations.lab.detector.network import JUDGED
from perturbations.lab.detector.onnx import onnx
from perturbations.lab.detector.scenes import Composer
from perturbations.lab.detector.sources import load
from perturbations.lab.detector.training import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="ZIPs of aligned face chips")
    parser.add_argument("--people", type=Path, nargs="+", required=True, help="ZIPs of 250 x 250 photos of one face")
    parser.add_argument("--empty", type=Path, nargs="+", required=True, help="folders of photos without faces")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint is kept")
    parser.add_argument("--out", type=Path, default=MODEL.parent, help="the folder to write to")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--judge-steps", type=int, default=2000)
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
        write(given, training, None)
    training.trained.resume(given.work / "detector.pt")  # where there was nothing left to do
    judging = Judging(
        Composer(sources, times=TIMES), training.trained.average, steps=given.judge_steps, seed=given.seed
    )
    for _ in judging.run(given.work / "judge.pt"):
        write(given, training, judging)


def write(given: argparse.Namespace, training: Training, judging: Judging | None) -> None:
    """The networks as they are now, and their card."""
    given.out.mkdir(parents=True, exist_ok=True)
    files = {"faces.onnx": onnx(training.trained.average)}
    if judging is not None:
        files["judge.onnx"] = onnx(judging.trained.average, picture=JUDGED, cells=1)
    for name, file in files.items():
        (given.out / name).write_bytes(file)
    (given.out / "README.md").write_text(card(files, given), encoding="utf-8")


if __name__ == "__main__":
    main()
