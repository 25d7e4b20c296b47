"""What the detector's model card says."""

from __future__ import annotations

import argparse
import hashlib

from perturbations.lab.detector.judging import SCENES
from perturbations.lab.detector.network import LARGEST, SMALLEST
from perturbations.lab.detector.training import BATCH


def card(files: dict[str, bytes], given: argparse.Namespace) -> str:
    """The model card of the files, in Markdown."""
    listed = "\n".join(
        f"- `{name}`: {len(file):,} bytes, SHA-256 `{hashlib.sha256(file).hexdigest()}`" for name, file in files.items()
    )
    return f"""# Face detector

`faces.onnx` is a fully convolutional network that finds faces of {SMALLEST:.0f} to {LARGEST:.0f} pixels at any angle in
the plane. `judge.onnx` looks at each find more closely, says whether it is a face, and corrects its place.
The service looks with it at a pyramid of reduced copies of a photo (`perturbations/faces/learned.py`).

{listed}
- Made by: `python -m perturbations.lab.detector`, {given.steps:,} steps of {BATCH} scenes, and for the judge
  {given.judge_steps:,} steps of {SCENES} scenes of twice the size
- Trained on: scenes of 96 × 96 pixels composed from UTKFace (aligned chips, equally many of every group in its names as
  far as there are enough), the training part of Labeled Faces in the Wild, and desktop backgrounds without faces
  (Debian's packages plasma-workspace-wallpapers, mate-backgrounds and sway-backgrounds). UTKFace is released for
  non-commercial research and LFW for research; none of their pictures is contained in the files.
- Scenes are turned, enlarged, darkened, lit from behind, blurred, compressed and cut by the edge; masks, sunglasses,
  hats and bars are drawn onto faces.
- Measured by: `python -m benchmarks.bench_faces --faces DIR`

It says where a face may be, not whose it is. It is not meant for recognising or counting people.
"""
