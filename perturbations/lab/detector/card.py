"""The detector's file, and what its model card says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from perturbations.lab.detector.network import LARGEST, SMALLEST, Detector
from perturbations.lab.detector.onnx import onnx
from perturbations.lab.detector.training import BATCH


def write(folder: Path, network: Detector, *, steps: int, mixed: tuple[int, float] | None = None) -> None:
    """The file that ships, and its card; see :func:`card`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = onnx(network)
    (folder / "faces.onnx").write_bytes(file)
    (folder / "README.md").write_text(card(file, steps=steps, mixed=mixed), encoding="utf-8")


def card(file: bytes, *, steps: int, mixed: tuple[int, float] | None = None) -> str:
    """The model card of ``file``, in Markdown. mixed: the steps of an earlier state, and the share of the later one."""
    made = f"`python -m perturbations.lab.detector`, {steps:,} steps of {BATCH} scenes"
    if mixed is not None:
        before, share = mixed
        made += f"""; then `python -m
  perturbations.lab.detector.mixed`: {1 - share:.0%} of the weights are those of {before:,} steps, when no scene ended
  across a face yet"""
    return f"""# Face detector

A fully convolutional network that finds faces of {SMALLEST:.0f} to {LARGEST:.0f} pixels at any angle in the plane.
The service looks with it at a pyramid of reduced copies of a photo (`perturbations/faces/learned.py`).

- File: `faces.onnx`, {len(file):,} bytes, SHA-256
  `{hashlib.sha256(file).hexdigest()}`
- Made by: {made}
- Trained on: scenes of 96 × 96 pixels composed from UTKFace (aligned chips, equally many of every group in its names as
  far as there are enough), the training part of Labeled Faces in the Wild, and desktop backgrounds without faces
  (of five Debian packages: plasma-workspace-wallpapers, mate-, sway- and gnome-backgrounds, ukui-wallpapers).
  UTKFace is released for non-commercial research and LFW for research; none of their pictures is contained in the file.
- Scenes are turned, enlarged, darkened, lit from behind, blurred, compressed and cut by the edge; masks, sunglasses,
  hats and bars are drawn onto faces.
- Measured by: `python -m benchmarks.bench_faces --faces DIR`

It says where a face may be, not whose it is. It is not meant for recognising or counting people.
"""
