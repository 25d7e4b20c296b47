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
    """Sentences for whoever sent the photo.

    Args:
        faces: how many were found.
        already: how many regions carried the perturbation before and were left as they were; without faces the only
            region is the whole picture.
        grey: whether the photo is.
    """
    said = [_found(faces, already)]
    if faces:
        said.append("Anybody else in the picture is not protected.")
    if already:
        said.append(
            "What was protected before was left as it was, so that the changes do not add up, and the scores, which "
            "compare with the photo as it was sent, say nothing about it."
        )
    if grey:
        said.append("The photo is grey and stays so: only its brightness was changed, which protects less.")
    return tuple(said)


def _found(faces: int, already: int) -> str:
    if not faces:
        if already:
            return "No face was found; the whole picture had been protected with this version before."
        return "No face was found, so the whole picture was protected."
    if not already:
        return f"{_count(faces)} found and protected."
    if already == faces:
        return f"{_count(faces)} found, which had been protected with this version before."
    return f"{_count(faces)} found and protected, {already} of them with this version before."


def _count(faces: int) -> str:
    return "1 face was" if faces == 1 else f"{faces} faces were"
