"""Names that travel between processes. Those of the engine's registries are in :mod:`.records.catalogue`."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

DEFAULT_WEIGHTING: Final = "aef_scaled"
"""How a training weighs its targets, unless it says so."""

DEFAULT_PRESET: Final = "quick"
"""How long it takes and how robust it makes its perturbation, unless it says so."""

GENERATOR_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What a generator may be called."""

Priority = Literal["idle", "low", "normal"]
"""Which processor time a training gets."""

Format = Literal["jpeg", "png", "webp", "avif", "heic", "gif", "tiff"]
"""An image format Poise reads."""
CopyFormat = Literal["jpeg", "png", "webp", "avif"]
"""An image format Poise writes."""
KEPT_AS: Final[dict[Format, CopyFormat]] = {
    "jpeg": "jpeg",
    "png": "png",
    "webp": "webp",
    "avif": "avif",
    "heic": "jpeg",
    "gif": "png",
    "tiff": "png",
}
"""What a copy is written as if the format is to be kept: the photo's own, or the nearest one that is written."""
FormatChoice = Literal["keep", "png", "jpeg", "webp"]
"""What a protected copy is to be written as; ``keep`` is the photo's own format, or the nearest to it."""
Strength = Literal["subtle", "standard", "strong"]
"""How much of the perturbation is added."""
STRENGTHS: Final[tuple[Strength, ...]] = get_args(Strength)
FORMATS: Final[tuple[CopyFormat, ...]] = get_args(CopyFormat)
FORMAT_CHOICES: Final[tuple[FormatChoice, ...]] = get_args(FormatChoice)
MEDIA_TYPES: Final[dict[CopyFormat, str]] = {name: f"image/{name}" for name in FORMATS}
MAX_SIDE: Final[dict[CopyFormat, int]] = {"jpeg": 65_500, "png": 2**31 - 1, "webp": 16_383, "avif": 32_768}
MAX_COPY_PIXELS: Final[dict[CopyFormat, int]] = {"avif": 32_000_000}
"""The most pixels of a copy in formats that take much memory to write."""
"""The most pixels a side that a copy of each format can have."""

MAX_PIXELS: Final = 50_000_000
"""Pixels of a photo, unless a setting says otherwise, and of a picture in an archive of faces."""


def copied_as(kind: Format, wanted: FormatChoice) -> CopyFormat:
    """The format of the copy of a photo."""
    if wanted != "keep":
        return wanted
    return KEPT_AS[kind]


Stage = Literal["protect", "score"]
"""What a protection goes through, in this order."""

PROTECT: Final = "poise.protect"
"""Task: protect the photo of a job. Argument: the internal job id."""
PROTECT_LARGE: Final = "poise.protect_large"
"""Task: the same, of a photo that takes seconds. Argument: the internal job id."""
SCORE: Final = "poise.score"
"""Task: score the protected photo of a job. Argument: the internal job id."""
SCORE_CROWD: Final = "poise.score_crowd"
"""Task: the same, of a photo of many faces. Argument: the internal job id."""
TRAIN: Final = "poise.train"
"""Task: work on the trainings that wait, oldest first. Argument: the id of the one that calls; a wake-up, no more."""
CHECK_ARCHITECTURE: Final = "poise.check_architecture"
"""Task: check an uploaded checkpoint. Argument: the generator's key."""
QUEUE_PROTECT: Final = "protect"
QUEUE_SCORE: Final = "score"
QUEUE_TRAIN: Final = "train"
QUEUE_LARGE: Final = "large"
QUEUE_CROWD: Final = "crowd"
QUEUES: Final = (QUEUE_PROTECT, QUEUE_LARGE, QUEUE_SCORE, QUEUE_TRAIN)
"""Queues with workers of their own: short and many; many seconds; seconds each; long and one at a time."""
BESIDE: Final[dict[str, str]] = {QUEUE_SCORE: QUEUE_CROWD}
"""A queue whose workers take, in turn, from a second one as well."""
TASK_QUEUES: Final[dict[str, str]] = {
    PROTECT: QUEUE_PROTECT,
    PROTECT_LARGE: QUEUE_LARGE,
    SCORE: QUEUE_SCORE,
    SCORE_CROWD: QUEUE_CROWD,
    # a few seconds' work that must not wait behind a training
    CHECK_ARCHITECTURE: QUEUE_SCORE,
    TRAIN: QUEUE_TRAIN,
}
