"""Gets a worker ready: publishes, loads and tries out what it needs, so that no photo waits for it later."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection
from pathlib import Path

import torch
from PIL import Image
from redis import Redis

from app.contracts.logs import event
from app.contracts.names import QUEUE_LARGE, QUEUE_PROTECT, QUEUE_SCORE
from app.contracts.records import catalogue
from app.contracts.records.generator_store import Generators
from app.contracts.records.versions import Versions
from perturbations.checkpoints.shipped import log_left_out
from perturbations.faces import Locate
from perturbations.precision import fastest_device
from perturbations.protect import protect_photo
from perturbations.targets.interface import Target
from worker.generators import older
from worker.library import Library
from worker.shipped import ship

_log = logging.getLogger(__name__)


def prepare(
    queues: Collection[str],
    *,
    redis: Redis,
    versions: Versions,
    generators: Generators,
    registered: Path,
    library: Library,
    locator: Locate,
) -> None:
    """Publish what ships, load what tasks of ``queues`` need, and use it once.

    registered: folder of generators from older versions, which are moved into the store.
    """
    if _protects(queues):
        # first of all: warming up takes the active version
        ship(versions)
        older.move(registered, generators)
        catalogue.publish(redis, library.catalogue())
    warm_up(queues, library, locator)


def warm_up(queues: Collection[str], library: Library, locator: Locate) -> None:
    """Load what tasks of ``queues`` need and use it once, on a blank picture."""
    if _protects(queues):
        written = io.BytesIO()
        Image.new("RGB", (64, 64), (128, 128, 128)).save(written, "PNG")
        protect_photo(written.getvalue(), library.perturbation(), locator=locator)
    if QUEUE_SCORE in queues:
        log_left_out()
        # added generators may be slow, and a start must not wait for them
        for twins in (False, True):
            for target in library.scoring_surrogates(twins=twins):
                _try(target)
        event(_log, "score.warm", device=fastest_device().type)


@torch.inference_mode()
def _try(target: Target) -> None:
    """One edit is enough: the others pass through the same layers."""
    target(torch.zeros(1, 3, target.image_size, target.image_size, device=target.device), target.edits[0])


def _protects(queues: Collection[str]) -> bool:
    return QUEUE_PROTECT in queues or QUEUE_LARGE in queues
