"""Chooses the queue of a job. Slow jobs have queues of their own, so that others need not wait behind them.

Large photos have their own workers. Photos of many faces share the scorers, which take jobs from both queues in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.contracts.names import PROTECT, PROTECT_LARGE, SCORE, SCORE_CROWD, TASK_QUEUES, Format, copied_as

if TYPE_CHECKING:
    from app.contracts.records.jobs import Job

LARGE_SECONDS: Final = 2.0
"""A photo is large if it keeps one core busy for longer than this."""
CROWD: Final = 3
"""This many faces take several times as long to score as one."""
_SECONDS_PER_MEGAPIXEL: Final[dict[Format, float]] = {
    "jpeg": 0.07,
    "webp": 0.16,
    "png": 0.21,
    "avif": 0.75,
    "heic": 0.16,
    "gif": 0.21,
    "tiff": 0.21,
}
"""Reading and writing included; the slower of the two formats counts."""


def task_of(job: Job) -> str | None:
    """The task of the stage that is due for ``job``; ``None`` if it has ended."""
    if job.stage == "protect":
        return PROTECT_LARGE if seconds(job) > LARGE_SECONDS else PROTECT
    if job.stage == "score":
        return SCORE_CROWD if len(job.progress.faces) >= CROWD else SCORE
    return None


def queue_of(job: Job) -> str | None:
    """The queue of that task."""
    task = task_of(job)
    return None if task is None else TASK_QUEUES[task]


def seconds(job: Job) -> float:
    """About how long it takes to protect the photo, on one core of an ordinary machine."""
    source, wanted = job.progress.source, job.options.format
    formats: tuple[Format, Format] = source.format, copied_as(source.format, wanted)
    return source.width * source.height / 1e6 * max(_SECONDS_PER_MEGAPIXEL[one] for one in formats)
