"""Measure how training chips frame a face, relative to the box the face locator draws.

    python benchmarks/calibrate_crop.py --faces utkface-train-0.zip

Every chip is put into a larger picture, padded by half its size with its edge replicated and with its edge mirrored;
the face is located there; the medians are what ``perturbations/faces/crop.py`` holds. The scatter is about what
training takes other crops to differ by (``perturbations/training/transforms.py``).
"""

from __future__ import annotations

import argparse
import io
import math
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from perturbations.faces import Face, locate
from perturbations.images import RgbArray

QUARTILES = 1.349
"""Standard deviations between the quartiles of a normal distribution."""


def chips(archive: Path, count: int, seed: int) -> list[RgbArray]:
    """``count`` pictures of the archive, drawn with ``seed``."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(n for n in file.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
        drawn = random.Random(seed).sample(names, min(count, len(names)))  # noqa: S311 - a sample, not a secret
        return [np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")) for name in drawn]


def central(faces: Sequence[Face], width: int, height: int) -> Face | None:
    """The face nearest to the middle."""
    return min(
        faces,
        key=lambda f: abs(f.x + f.width / 2 - width / 2) + abs(f.y + f.height / 2 - height / 2),
        default=None,
    )


def measure(chip: RgbArray, mode: str) -> tuple[float, float, float] | None:
    """Chip side over face side, and the chip's centre minus the face's in face sides; ``None``: no face found."""
    side = chip.shape[0]
    pad = side // 2
    padded = cast("RgbArray", np.pad(chip, ((pad, pad), (pad, pad), (0, 0)), mode=mode))  # type: ignore[call-overload]
    face = central(locate(padded).faces, padded.shape[1], padded.shape[0])
    if face is None:
        return None
    centre = pad + side / 2
    return (
        side / face.width,
        (centre - face.x - face.width / 2) / face.width,
        (centre - face.y - face.height / 2) / face.height,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="a zip of square face chips")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    drawn = chips(given.faces, given.limit, given.seed)
    found = [m for chip in drawn for mode in ("edge", "symmetric") if (m := measure(chip, mode)) is not None]
    quartiles = np.percentile(np.array(found), [25, 50, 75], axis=0)
    print(f"faces found in {100 * len(found) / (2 * len(drawn)):.1f} % of {2 * len(drawn)} padded chips")
    for name, (low, median, high) in zip(("side", "centre x", "centre y"), quartiles.T, strict=True):
        print(f"{name:9s} {median:.3f} (quartiles {low:.3f} and {high:.3f})")
    low, _, high = quartiles[:, 0]
    print(f"the side's logarithm scatters by {math.log(high / low) / QUARTILES:.3f}")


if __name__ == "__main__":
    main()
