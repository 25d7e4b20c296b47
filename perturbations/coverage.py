"""What was protected in a photo and what was not, as a share and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perturbations.faces.crop import Region


def coverage(regions: Sequence[Region], width: int, height: int) -> float:
    """Share of a picture's pixels that lie inside ``regions``; where those overlap, a pixel counts once."""
    visible = [r for r in (region.clipped(width, height) for region in regions) if r is not None]
    columns = np.unique([edge for r in visible for edge in (r.x, r.x + r.width)])
    rows = np.unique([edge for r in visible for edge in (r.y, r.y + r.height)])
    inside = np.zeros((max(0, len(rows) - 1), max(0, len(columns) - 1)), dtype=bool)
    for r in visible:
        across = slice(*np.searchsorted(columns, (r.x, r.x + r.width)))
        inside[slice(*np.searchsorted(rows, (r.y, r.y + r.height))), across] = True
    area = float((inside * np.outer(np.diff(rows), np.diff(columns))).sum())
    return area / (width * height)


def notes(*, faces: int, already: int, grey: bool) -> tuple[str, ...]:
    """Sentences for the person who sent the photo.

    Args:
        faces: how many were found.
        already: how many regions already carried the perturbation and were left unchanged. Without faces, the only
            region is the whole picture.
        grey: whether the photo is grey.
    """
    said = [_found(faces, already)]
    if faces:
        said.append("Anybody else in the picture is not protected.")
    if already:
        said.append("Parts that were already protected were left unchanged. The scores say nothing about them.")
    if grey:
        said.append("The photo is grey and stays grey: only its brightness was changed, which protects less.")
    return tuple(said)


def _found(faces: int, already: int) -> str:
    if not faces:
        if already:
            return "No face was found. The whole picture was already protected with this version."
        return "No face was found, so the whole picture was protected."
    if not already:
        return f"{_count(faces)} found and protected."
    if already == faces:
        return f"{_count(faces)} found, already protected with this version."
    return f"{_count(faces)} found and protected, {already} of them already with this version."


def _count(faces: int) -> str:
    return "1 face was" if faces == 1 else f"{faces} faces were"
