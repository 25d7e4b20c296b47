"""Draw what the README shows: the astronaut, its protected copy, and what generators make of both.

    .venv/bin/python benchmarks/draw_astronaut.py --out docs/images/astronaut.png

A row per generator: the face as the generator gets it, one edit of it, the same edit of the protected copy.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw

from perturbations.artifact import active
from perturbations.faces import crop_batch, crop_for, locate
from perturbations.images import RgbArray, to_uint8
from perturbations.protect import protect_photo
from perturbations.targets.shipped import load_surrogates

TILE = 192
GAP = 6
TITLE = 22
HEADINGS = ("photo", "protected copy", "difference x 20", "manipulated photo", "manipulated copy")


def tile(image: RgbArray) -> Image.Image:
    """A square tile of an image."""
    return Image.fromarray(image).resize((TILE, TILE), Image.Resampling.LANCZOS)


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--edit", default="old_man")
    arguments = parser.parse_args()
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "PNG")  # type: ignore[no-untyped-call]
    photo = np.asarray(Image.open(buffer).convert("RGB"))
    protected = np.asarray(Image.open(io.BytesIO(protect_photo(buffer.getvalue(), active()).data)).convert("RGB"))
    region = crop_for(locate(photo)[0])
    window = region.clipped(photo.shape[1], photo.shape[0])
    if window is None:
        parser.error("the face lies outside the picture")
    inside = np.s_[window.y : window.y + window.height, window.x : window.x + window.width]
    difference = (128 + 20 * (protected[inside].astype(int) - photo[inside])).clip(0, 255).astype(np.uint8)
    rows: list[list[Image.Image]] = []
    targets = load_surrogates()
    for target in targets:
        edit = arguments.edit if arguments.edit in target.edits else target.edits[-1]
        with torch.inference_mode():
            before, after = (
                to_uint8(target(crop_batch(image, region, target.image_size), edit))[0] for image in (photo, protected)
            )
        shown = (photo[inside], protected[inside], difference, before, after)
        rows.append([tile(image) for image in shown])
    names = [f"{target.name}: {arguments.edit.replace('_', ' ')}" for target in targets]
    width = len(HEADINGS) * (TILE + GAP) - GAP
    sheet = Image.new("RGB", (width, TITLE + len(rows) * (TILE + TITLE + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(HEADINGS):
        pen.text((column * (TILE + GAP) + 4, 4), heading, fill="black")
    for r, tiles in enumerate(rows):
        top = TITLE + r * (TILE + TITLE + GAP)
        for column, picture in enumerate(tiles):
            sheet.paste(picture, (column * (TILE + GAP), top))
        pen.text((4, top + TILE + 4), names[r], fill="black")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
