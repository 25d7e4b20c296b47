"""Doing a worker's work once on a blank picture, so that nothing is loaded or tuned while somebody waits."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection

from PIL import Image

from app.contracts.logs import event
from app.contracts.names import QUEUE_LARGE, QUEUE_PROTECT, QUEUE_SCORE
from perturbations.precision import fastest_device
from perturbations.protect import protect_photo
from perturbations.score import score_photo
from worker import engine
from worker.generators.shelf import shipped

_log = logging.getLogger(__name__)


def warm_up(queues: Collection[str]) -> None:
    """Load what tasks of ``queues`` need and use it once."""
    blank = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(blank, "PNG")
    if QUEUE_PROTECT in queues or QUEUE_LARGE in queues:
        protect_photo(blank.getvalue(), engine.library().perturbation())
    if QUEUE_SCORE in queues:
        # what was added to those that ship may be slow: whoever waits for a start must not wait for that
        targets, twins = (shipped(twins=which, device=fastest_device()) for which in (False, True))
        score_photo(blank.getvalue(), blank.getvalue(), targets=targets, twins=twins, faces=())
        event(_log, "score.warm", device=fastest_device().type)
