"""Waits for a protection to change, and tells its owner.

Changes of records are announced over Redis. One thread per front end listens to all of them and wakes those who wait
for one. Announcements can be lost, so those who wait also check the record from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from redis import RedisError

from app.contracts.logs import event
from app.contracts.problems import NotFound, Unavailable
from app.contracts.records.jobs import CHANGED, Job
from app.guards.limits import limited
from app.problems import documented
from app.routes.dependencies import AnyService, ResultId
from app.service import Service, as_report

if TYPE_CHECKING:
    from redis import Redis

    from app.contracts.report import Report

router = APIRouter(prefix="/v1/protections", tags=["protections"])
_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
"""Pause between checks of a record without announcements."""
_LONGEST_SECONDS: Final = 900.0
"""A stream ends after this long; clients that still listen reconnect."""
_RETRY_MILLISECONDS: Final = 2000


class Changes:
    """Wakes those in this process who wait for a change of a job. most: how many may wait at once."""

    def __init__(self, redis: Redis, *, most: int = 1000) -> None:
        self._redis = redis
        self._most = most
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._stopped = threading.Event()
        self._end = f"poise:stop-listening:{secrets.token_hex(8)}"
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on; to be called inside the event loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, args=(loop,), name="changes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening: at once, or after one poll of the channel if Redis is away."""
        self._stopped.set()
        with suppress(RedisError):
            self._redis.publish(self._end, "")
        if self._thread is not None:
            self._thread.join()

    @property
    def is_full(self) -> bool:
        """Whether so many already wait that no connection would be left for others."""
        return sum(map(len, self._waiting.values())) >= self._most

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job is announced to have changed; clear it before looking at the record."""
        changed = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(changed)
        try:
            yield changed
        finally:
            others = self._waiting[job_id]
            others.discard(changed)
            if not others:
                del self._waiting[job_id]

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopped.is_set():
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.subscribe(CHANGED, self._end)
                    while not self._stopped.is_set():
                        message = pubsub.get_message(timeout=0.5)
                        if message is not None and not self._stopped.is_set():
                            loop.call_soon_threadsafe(self._wake, message["data"].decode())
            except RedisError as error:
                event(_log, "changes.not_heard", level=logging.WARNING, error=type(error).__name__)
                self._stopped.wait(1.0)
            except RuntimeError:  # the loop is closed
                return

    def _wake(self, job_id: str) -> None:
        for changed in self._waiting.get(job_id, ()):
            changed.set()


async def settled(service: Service, changes: Changes, result_id: str, job: Job, *, seconds: float) -> Report:
    """The report once the copy exists or the job has failed, or as it is after ``seconds``."""
    end = time.monotonic() + (0 if changes.is_full else seconds)
    report = as_report(result_id, job)
    with changes.watch(job.job_id) as changed:
        while True:
            changed.clear()
            # the photo is accepted, whether Redis answers at the moment or not: its owner must learn the id
            with suppress(RedisError):
                report = await run_in_threadpool(service.report, result_id)
            left = end - time.monotonic()
            if report.status not in ("queued", "running") or left <= 0:
                return report
            await _either(changed, min(left, _LOOK_SECONDS))


async def follow(
    service: Service, changes: Changes, result_id: str, job: Job, *, seen: str | None
) -> AsyncIterator[ServerSentEvent]:
    """The report now and at each change, until the job has ended or is gone; ``seen`` is the last event's id."""
    end = time.monotonic() + _LONGEST_SECONDS
    told: Report | None = None
    with changes.watch(job.job_id) as changed:
        while time.monotonic() < end:
            changed.clear()
            try:
                now = await run_in_threadpool(service.job, result_id)
            except NotFound:
                yield ServerSentEvent(event="deleted", data={})
                return
            except RedisError:  # it may come back, and the client could do no more than wait as well
                await _either(changed, _LOOK_SECONDS)
                continue
            report = as_report(result_id, now)
            if report != told and _event_id(now) != seen:
                yield ServerSentEvent(event="report", data=report, id=_event_id(now), retry=_RETRY_MILLISECONDS)
            told = report
            if now.stage is None:
                return
            await _either(changed, _LOOK_SECONDS)


def changes_of(request: Request) -> Changes:
    """The changes of this application."""
    found: Changes = request.app.state.changes
    return found


AnyChanges = Annotated[Changes, Depends(changes_of)]


LastEventId = Annotated[str | None, Header(description="The id of the last event received.")]


def followed(
    service: AnyService, changes: AnyChanges, result_id: ResultId, response: Response, last_event_id: LastEventId = None
) -> Job:
    """The job to follow: looked up before the answer begins, so that an unknown one is a problem like any other."""
    if changes.is_full:
        raise Unavailable(
            "Too many clients are following photos. Request the report every few seconds instead.",
            headers={"Retry-After": "5"},
        )
    job = service.job(result_id)
    if job.stage is None and last_event_id == _event_id(job):
        response.status_code = 204  # tells an EventSource not to connect again
    return job


@router.get(
    "/{id}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(limited("reads"))],
    responses={
        200: {"description": "Events named `report`, each with a report, or `deleted` if it was erased meanwhile."},
        204: {"description": "The event named by Last-Event-ID was the last. Do not reconnect."},
        **documented(404, 429, 503),
    },
)
async def events(
    result_id: ResultId,
    service: AnyService,
    changes: AnyChanges,
    job: Annotated[Job, Depends(followed)],
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a protection: its report now and after every change, until nothing more will change."""
    async for item in follow(service, changes, result_id, job, seen=last_event_id):
        yield item


def _event_id(job: Job) -> str:
    return str(job.revision)


async def _either(changed: asyncio.Event, seconds: float) -> None:
    """Wait until something is announced, or ``seconds`` have passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
