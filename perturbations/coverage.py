"""What was protected in a photo and what was not, as a share and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from perturbations.faces.crop import Region

_TILED: Final = (
    "It was protected in tiles of the size of a face. That protects a face that was missed much less than one that was "
    "found: send the photo again and say where the face is."
)
_TILED_AS_TOLD: Final = (
    "It was protected in tiles of the size of a face. A face whose place is given is protected much better."
)
_RAISED: Final = (
    "Parts that were already protected, but more weakly, are now as strong as was asked for. "
    "The scores say nothing about them."
)
_DOUBTFUL: Final = (
    "Parts that were already protected may be weaker than was asked for. To be sure, protect the original again."
)


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


def notes(
    *,
    faces: int,
    already: int,
    grey: bool,
    given: bool = False,
    tiled: bool = False,
    another: bool = False,
    raised: bool = False,
    left: bool = True,
    doubtful: bool = False,
) -> tuple[str, ...]:
    """Sentences for the person who sent the photo.

    Args:
        faces: how many were found, or given.
        already: how many regions already carried the perturbation. Without faces, the only
            region is the whole picture, or there are tiles.
        grey: whether the photo is grey.
        given: whether the caller said where the faces are, or that there are none.
        tiled: whether the picture was protected in tiles.
        another: whether any of what was there already was another version.
        raised: whether any of it was weaker than asked for, and was made as strong.
        left: whether any of it was left unchanged.
        doubtful: whether any of that is weaker than asked for, or may be.
    """
    said = [_found(faces, already, "given" if given else "found", tiled=tiled, another=another)]
    if tiled:
        said.append(_TILED_AS_TOLD if given else _TILED)
    if faces:
        said.append("Anybody else in the picture is not protected.")
    if already and raised:
        said.append(_RAISED)
    if already and left:
        said.append("Parts that were already protected were left unchanged. The scores say nothing about them.")
    if already and doubtful:
        said.append(_DOUBTFUL)
    if grey:
        said.append("The photo is grey and stays grey: only its brightness was changed, which protects less.")
    return tuple(said)


def _found(faces: int, already: int, how: str, *, tiled: bool, another: bool) -> str:
    version = "" if another else " with this version"
    if not faces:
        if already:
            parts = "Parts of the picture were" if tiled else "The whole picture was"
            return f"No face was {how}. {parts} already protected{version}."
        return f"No face was {how}, so the whole picture was protected."
    count = f"{_count(faces)} {how}"
    if not already:
        return f"{count} and protected."
    if already == faces:
        return f"{count}, already protected{version}."
    return f"{count} and protected, {already} of them already{version}."


def _count(faces: int) -> str:
    return "1 face was" if faces == 1 else f"{faces} faces were"
