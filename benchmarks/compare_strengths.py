"""Measure each strength: what it does to generators, and how much of it is seen, on faces of several sizes.

    .venv/bin/python -m benchmarks.compare_strengths --faces FOLDER_OR_ZIP [--limit 32] [--sides 96,200,512]
        [--write docs/strength.md]

``--write`` replaces the table of that document.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from perturbations.apply import perturb
from perturbations.artifact import Perturbation, active
from perturbations.checkpoints.shipped import load_surrogates
from perturbations.data.framed import Framed, framed_faces
from perturbations.evaluation.run import effects_on
from perturbations.evaluation.transforms import at_side
from perturbations.faces import crop_batch, cut
from perturbations.images import compressed
from perturbations.quality import Quality, measure
from perturbations.strength import STRENGTHS, Strength
from perturbations.targets.interface import Target

HEADS: Final = ("face, pixels", "strength", "SSIM", "PSNR", "CIEDE2000, mean and 95 %")
_TABLE: Final = re.compile(r"(<!-- strengths -->\n).*?(<!-- /strengths -->)", re.DOTALL)
_MOVED: Final = 0.01
"""Mean L2mask of a generator that is worth a column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One size and strength. effects: L2mask and share interrupted by generator, as delivered and after JPEG 75."""

    side: int
    strength: Strength
    qualities: Sequence[Quality]
    effects: dict[str, list[tuple[float, float]]]

    def cells(self, names: Sequence[str]) -> Iterator[str]:
        mean = {name: np.mean([getattr(q, name) for q in self.qualities]) for name in Quality.__dataclass_fields__}
        yield str(self.side)
        yield self.strength
        yield f"{mean['ssim']:.3f}"
        yield f"{mean['psnr']:.1f}"
        yield f"{mean['delta_e']:.1f}, {mean['delta_e_p95']:.1f}"
        for name in names:
            yield "; ".join(f"{effect:.3f}, {100 * rate:.0f} %" for effect, rate in self.effects[name])


def measured(
    faces: Sequence[Framed], side: int, strength: Strength, version: Perturbation, targets: Sequence[Target]
) -> Row:
    """One row."""
    seen = [at_side(face, side) for face in faces]
    copies = [perturb(face.image, [face.region], version, strength=strength) for face in seen]
    effects = {}
    for target in targets:
        original, delivered, jpeg = (
            torch.cat([crop_batch(image, f.region, target.image_size) for image, f in zip(images, seen, strict=True)])
            for images in ([f.image for f in seen], copies, [compressed(copy, "JPEG", 75) for copy in copies])
        )
        found = effects_on(target, original, {"": delivered, "jpeg": jpeg})
        effects[target.name] = [(found[kind].l2_mask, found[kind].success_rate) for kind in ("", "jpeg")]
    pairs = zip(copies, seen, strict=True)
    return Row(side, strength, [measure(cut(f.image, f.region), cut(copy, f.region)) for copy, f in pairs], effects)


def table(rows: Sequence[Row], targets: Sequence[Target]) -> str:
    """Markdown. A generator that nothing moves has no column."""
    moved = [t.name for t in targets if max(row.effects[t.name][0][0] for row in rows) > _MOVED]
    heads = (*HEADS, *(f"{name}: L2mask, interrupted; after JPEG 75" for name in moved))
    lines = (heads, ["---"] * len(heads), *(row.cells(moved) for row in rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Parse, measure, print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", required=True, help="a folder or ZIP file")
    parser.add_argument("--limit", type=int, default=32)
    parser.add_argument("--sides", default="96,200,512")
    parser.add_argument("--targets", default="", help="comma-separated; default: all that ship")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    version, faces = active(), framed_faces([asked.faces]).take(asked.limit)
    wanted = set(filter(None, asked.targets.split(",")))
    targets = [target for target in load_surrogates() if not wanted or target.name in wanted]
    rows = [
        measured(faces, side, strength, version, targets)
        for side in map(int, asked.sides.split(","))
        for strength in STRENGTHS
    ]
    found = f"Version `{version.version}` on {len(faces)} faces:\n\n{table(rows, targets)}\n"
    print(found)
    if asked.write:
        text = asked.write.read_text()
        asked.write.write_text(_TABLE.sub(lambda match: f"{match[1]}{found}{match[2]}", text))


if __name__ == "__main__":
    main()
