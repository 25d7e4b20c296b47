"""The archive of synthetic faces: pictures named by their labels, and a description of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image

from perturbations.files import replacing
from perturbations.lab.synthesis.sampling import DrawnFace, names_of

QUALITY: Final = 90
_README: Final = """Faces of nobody, drawn by a generative model that Poise trained; none is a photo.

A name is age_gender_x_number: 30 stands for younger than 45, 60 for older; 0 for man, 1 for woman. These are what a
classifier reads off the drawing, not facts about anyone. about.json says how the faces were made, and how near they
come to the pictures the model has seen. The model was trained on UTKFace, which is released for non-commercial
research.
"""


def pack(faces: list[DrawnFace], path: Path, *, about: Mapping[str, Any]) -> None:
    """Write ``path``, a ZIP of WebP pictures; the same faces give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "README.txt", _README.encode())
        _add(archive, "about.json", (json.dumps(about, indent=1) + "\n").encode())
        for name, face in zip(names_of(faces), faces, strict=True):
            picture = io.BytesIO()
            Image.fromarray(face.image).save(picture, "WEBP", quality=QUALITY, method=6)
            _add(archive, name, picture.getvalue())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)
