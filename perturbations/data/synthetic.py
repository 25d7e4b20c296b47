"""The synthetic faces that ship with Poise, for trainings without faces of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from perturbations.errors import BadFaces

ARCHIVE: Final = Path(__file__).parents[1] / "assets" / "faces" / "synthetic-128.zip"


def synthetic_faces() -> Path:
    """The archive: 256 faces of nobody, 128×128, named as UTKFace names its own, with predicted labels.

    Raises:
        BadFaces: it is missing.
    """
    if not ARCHIVE.is_file():
        raise BadFaces(f"the synthetic faces are missing ({ARCHIVE}); reinstall Poise, or name faces of your own")
    return ARCHIVE
