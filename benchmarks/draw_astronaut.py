"""Draw what the README and docs/targets.md show: the astronaut, its protected copy, and what generators make of both.

    .venv/bin/python benchmarks/draw_astronaut.py --out docs/images/astronaut.jpg --each docs/images/targets

``--out`` has a row per generator, ``--each`` a picture per generator, named after it, with a row per edit: the face as
the generator gets it, its protected copy, their difference, the edit of either.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw

from perturbations.artifact import active
from perturbations.checkpoints.shipped import load_surrogates
from perturbations.faces import Region, crop_batch, crop_for, locate
from perturbations.images import RgbArray, to_uint8
from perturbations.protect import protect_photo
from perturbations.targets.interface import Target

TILE = 192
GAP = 6
TITLE = 22
HEADINGS = ("photo", "protected copy", "difference x 20", "manipulated photo", "manipulated copy")


class Row(NamedTuple):
    """title: below the row; pictures: one for each of the headings."""

    title: str
    pictures: Sequence[RgbArray]


class Pair(NamedTuple):
    """A photo, its protected copy and where both are cropped for a generator."""

    photo: RgbArray
    protected: RgbArray
    region: Region

    def row(self, target: Target, edit: str) -> Row:
        """What ``target`` makes of both by ``edit``."""
        window = self.region.clipped(self.photo.shape[1], self.photo.shape[0])
        if window is None:
            raise ValueError("the face lies outside the picture")
        inside = np.s_[window.y : window.y + window.height, window.x : window.x + window.width]
        photo, protected = self.photo[inside], self.protected[inside]
        difference = (128 + 20 * (protected.astype(int) - photo)).clip(0, 255).astype(np.uint8)
        with torch.inference_mode():
            before, after = (
                to_uint8(target(crop_batch(image, self.region, target.image_size), edit))[0]
                for image in (self.photo, self.protected)
            )
        return Row(f"{target.name}: {edit.replace('_', ' ')}", (photo, protected, difference, before, after))


def protected_astronaut() -> Pair:
    """The astronaut and its copy with the active perturbation."""
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "PNG")  # type: ignore[no-untyped-call]
    photo = np.asarray(Image.open(buffer).convert("RGB"))
    protected = np.asarray(Image.open(io.BytesIO(protect_photo(buffer.getvalue(), active()).data)).convert("RGB"))
    return Pair(photo, protected, crop_for(locate(photo).faces[0]))


def save_sheet(rows: Sequence[Row], path: Path) -> None:
    """Draw the rows below their headings."""
    width = len(HEADINGS) * (TILE + GAP) - GAP
    sheet = Image.new("RGB", (width, TITLE + len(rows) * (TILE + TITLE + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(HEADINGS):
        pen.text((column * (TILE + GAP) + 4, 4), heading, fill="black")
    for number, row in enumerate(rows):
        top = TITLE + number * (TILE + TITLE + GAP)
        for column, picture in enumerate(row.pictures):
            tile = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * (TILE + GAP), top))
        pen.text((4, top + TILE + 4), row.title, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True, quality=80)


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="One picture of all generators.")
    parser.add_argument("--edit", default="old_man", help="Shown there, of generators that have it; else their last.")
    parser.add_argument("--each", type=Path, help="Folder for one picture per generator.")
    arguments = parser.parse_args()
    pair, targets = protected_astronaut(), load_surrogates()
    if arguments.out:
        chosen = [arguments.edit if arguments.edit in target.edits else target.edits[-1] for target in targets]
        rows = [pair.row(target, edit) for target, edit in zip(targets, chosen, strict=True)]
        save_sheet(rows, arguments.out)
    if arguments.each:
        for target in targets:
            save_sheet([pair.row(target, edit) for edit in target.edits], arguments.each / f"{target.name}.jpg")


if __name__ == "__main__":
    main()
