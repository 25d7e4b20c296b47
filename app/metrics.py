"""Metrics for Prometheus, on a separate port: this process's requests, and what Redis knows about all processes.

The figures from Redis are the same at every front end: with several, take the maximum, not the sum.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from app.contracts.names import BESIDE, QUEUES
from app.contracts.records.trainings import Trainings
from app.contracts.redis import backlog, liveness, metrics
from app.contracts.redis.leases import JobLeases
from app.contracts.redis.messages import queue_key
from app.contracts.settings import BadSettings, Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS: Final = Histogram(
    "poise_http_request_seconds",
    "Time to the first byte of an answer.",
    ("method", "route", "status"),
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=None,
)
PROBLEMS: Final = Counter(
    "poise_http_problems", "Requests answered with a problem, by type.", ("problem",), registry=None
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Middleware that times requests by the route's template: never by the path, which may hold the id of a result."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and note when the answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        answered = False

        def note(status: int) -> None:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, _template(scope), str(status)).observe(time.monotonic() - began)

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not answered:
                note(500)
            raise


class SharedFigures(Collector):
    """What Redis knows: sums of all processes, queues, workers, the training that runs."""

    def __init__(self, redis: Redis, leases: JobLeases, trainings: Trainings) -> None:
        self._redis = redis
        self._leases = leases
        self._trainings = trainings

    def collect(self) -> Iterator[Metric]:
        """All figures. If Redis does not answer, only that."""
        try:
            found = [*self._sums(), *self._queues(), *self._training()]
        except RedisError:
            found = []
        yield GaugeMetricFamily("poise_redis_up", "Whether Redis answers.", value=1.0 if found else 0.0)
        yield from found

    def _sums(self) -> Iterator[Metric]:
        figures = metrics.read(self._redis)
        for counter in metrics.COUNTERS:
            counted = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for labels, number in figures.numbers(counter).items():
                counted.add_metric(labels, number)
            yield counted
        for histogram in metrics.HISTOGRAMS:
            spread = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
            names = [*map(str, histogram.buckets), "+Inf"]
            for labels, seen in figures.distributions(histogram).items():
                spread.add_metric(labels, list(zip(names, seen.counts, strict=True)), seen.sum)
            yield spread

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("poise_queue_depth", "Messages that wait in a queue.", labels=["queue"])
        oldest = GaugeMetricFamily("poise_queue_oldest_seconds", "Age of the oldest of them.", labels=["queue"])
        stuck = GaugeMetricFamily(
            "poise_queue_stuck", "Whether messages wait in a queue and no worker takes one.", labels=["queue"]
        )
        workers = GaugeMetricFamily("poise_workers", "Worker processes that serve a queue.", labels=["queue"])
        for queue in (*QUEUES, *BESIDE.values()):
            depth.add_metric([queue], self._redis.llen(queue_key(queue)))
            oldest.add_metric([queue], backlog.oldest(self._redis, queue))
            stuck.add_metric([queue], float(backlog.stuck(self._redis, queue)))
            workers.add_metric([queue], liveness.count(self._redis, queue))
        yield from (depth, oldest, stuck, workers)
        yield GaugeMetricFamily("poise_jobs_open", "Photos with work left to do.", value=self._leases.count())

    def _training(self) -> Iterator[Metric]:
        trainings = self._trainings.open()
        running = next((one for one in trainings if one.status == "running"), None)
        yield GaugeMetricFamily("poise_trainings_open", "Trainings that wait or run.", value=len(trainings))
        yield GaugeMetricFamily(
            "poise_training_step", "Step of the one that runs.", value=running.step if running else 0
        )
        yield GaugeMetricFamily("poise_training_steps", "Its steps.", value=running.steps if running else 0)


def _template(scope: Scope) -> str:
    """The template of the matched route, such as ``/v1/protections/{id}``, or ``none``.

    A route knows its path within the router it was included from: what stands before that has no parameters.
    """
    own = getattr(scope.get("route"), "path", None)
    if own is None:
        return "none"
    if own.endswith(":path}"):  # a parameter of any number of segments; such a route is included without a prefix
        return str(own)
    segments = scope["path"].split("/")
    return "/".join(segments[: len(segments) - own.count("/")]) + str(own)


@contextmanager
def serving(settings: Settings, shared: Collector) -> Iterator[None]:
    """Answer scrapes on the metrics port while the body runs. Does nothing without such a port.

    shared: the figures that are not this process's own.

    Raises:
        BadSettings: the port cannot be used.
    """
    if not settings.metrics_port:
        yield
        return
    registry = CollectorRegistry()
    for collector in (REQUESTS, PROBLEMS, shared):
        registry.register(collector)
    try:
        server, thread = start_http_server(settings.metrics_port, addr=settings.host, registry=registry)
    except OSError as error:
        raise BadSettings(
            f"POISE_METRICS_PORT: cannot listen on {settings.host} port {settings.metrics_port}: {error.strerror}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)
