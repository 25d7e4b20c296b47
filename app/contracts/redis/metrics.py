"""Figures that processes on any host add up in Redis, so that every front end can show them all.

A figure is a counter or a histogram with a few labels. Each of its sums is a field of one hash. Labels are names of
queues, stages, problems and architectures, never ids.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, cast

from redis import Redis, RedisError

from app.contracts.logs import event

if TYPE_CHECKING:
    from app.contracts.report import ArchitectureScore

_log = logging.getLogger(__name__)

_KEY: Final = "poise:metrics"
_SUM: Final = "sum"
Labels = tuple[str, ...]
Change = tuple[str, float]
"""A field of the hash, and what is added to it."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that only grows, for each combination of its labels."""

    name: str
    help: str
    labels: Labels

    def plus(self, *values: str, amount: float = 1.0) -> Change:
        """Add to the number of these labels."""
        return _field(self.name, values, _SUM), amount


@dataclass(frozen=True, slots=True)
class Histogram:
    """How values are distributed: how many were at most each of ``buckets``, and their sum."""

    name: str
    help: str
    labels: Labels
    buckets: tuple[float, ...]

    def seen(self, value: float, *values: str) -> tuple[Change, Change]:
        """Add ``value`` to the distribution of these labels."""
        at = bisect_left(self.buckets, value)
        return (_field(self.name, values, str(at)), 1.0), (_field(self.name, values, _SUM), value)


WAIT: Final = Histogram(
    "poise_queue_wait_seconds",
    "How long messages waited in a queue.",
    ("queue",),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)
TOOK: Final = Histogram(
    "poise_stage_seconds",
    "How long a stage took that ended well.",
    ("stage",),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
L2MASK: Final = Histogram(
    "poise_effect_l2_mask",
    "L2mask of protected photos, by generator; a twin is one no perturbation was trained on.",
    ("architecture", "judge"),
    (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
)
INTERRUPTED: Final = Counter(
    "poise_effect_interrupted", "Protected photos a generator failed on, in every edit.", ("architecture", "judge")
)
FAILED: Final = Counter("poise_failures", "Stages that were given up, by the problem's type.", ("stage", "problem"))

COUNTERS: Final = (INTERRUPTED, FAILED)
HISTOGRAMS: Final = (WAIT, TOOK, L2MASK)

_SENT_AT: Final = "poise_sent_at"


class Recorder:
    """Adds to the figures. A figure that cannot be recorded is lost: work never fails for it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, *changes: Change) -> None:
        """Make the changes, in one round trip."""
        if not changes:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for field, amount in changes:
                    pipe.hincrbyfloat(_KEY, field, amount)
                pipe.execute()
        except RedisError as error:
            event(_log, "metrics.lost", level=logging.DEBUG, error=type(error).__name__)


def effect(scores: Iterable[ArchitectureScore]) -> Iterator[Change]:
    """What the scores of one photo add. A generator that manipulates nothing adds nothing."""
    for score in scores:
        for judge, one in (("surrogate", score), ("twin", score.twin)):
            if one is not None and one.l2_mask is not None:
                yield from L2MASK.seen(one.l2_mask, score.architecture, judge)
                yield INTERRUPTED.plus(score.architecture, judge, amount=1.0 if one.interrupted else 0.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """counts: how many values were at most each bucket, and last, how many there were. sum: of all values."""

    counts: tuple[float, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was added up, at one moment."""

    fields: dict[str, float]

    def numbers(self, counter: Counter) -> dict[Labels, float]:
        """A counter's number, by its labels."""
        return {labels: of[_SUM] for labels, of in self._by_labels(counter.name).items()}

    def distributions(self, histogram: Histogram) -> dict[Labels, Distribution]:
        """A histogram's distributions, by their labels."""
        steps = range(len(histogram.buckets) + 1)
        return {
            labels: Distribution(tuple(accumulate(of.get(str(at), 0.0) for at in steps)), of.get(_SUM, 0.0))
            for labels, of in self._by_labels(histogram.name).items()
        }

    def _by_labels(self, name: str) -> dict[Labels, dict[str, float]]:
        found: dict[Labels, dict[str, float]] = {}
        for field, value in self.fields.items():
            first, *labels, last = field.split("|")
            if first == name:
                found.setdefault(tuple(labels), {})[last] = value
        return found


def read(redis: Redis) -> Figures:
    """What all processes have added up so far."""
    raw = cast("dict[bytes, bytes]", redis.hgetall(_KEY))
    return Figures({field.decode(): float(value) for field, value in raw.items()})


def sent_now() -> dict[str, float]:
    """The header of a message that says when it was sent."""
    return {_SENT_AT: time.time()}


def waited(headers: object) -> float | None:
    """Seconds since a message with these headers was sent; ``None`` if they do not say."""
    sent = headers.get(_SENT_AT) if isinstance(headers, dict) else None
    return max(0.0, time.time() - sent) if isinstance(sent, int | float) else None


def _field(name: str, labels: Labels, last: str) -> str:
    return "|".join((name, *(label.replace("|", "_") for label in labels), last))
