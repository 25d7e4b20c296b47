"""Server-sent events: the report at each change, an end, and nobody misses anything."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from app.contracts.records.jobs import Job
from app.contracts.report import Status
from app.routes.events import Changes, follow, settled
from tests.service.conftest import Bench
from tests.service.helpers.front_end import front_of, serving
from tests.service.helpers.running import Running

Event = dict[str, str]


def events(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream; comments are left out."""
    found: Event = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            found[name] = value
        elif not line and found:
            yield found
            found = {}


def become(bench: Bench, job_id: str, status: Status) -> None:
    """Change a job as a worker would."""

    def change(job: Job) -> None:
        job.progress.status = status

    bench.jobs.update(job_id, change)


def becomes(bench: Bench, job_id: str, status: Status, *, after: float) -> None:
    """Change a job in a moment."""
    threading.Timer(after, become, (bench, job_id, status)).start()


def test_reports_arrive_until_the_end(service: Running, astronaut_png: bytes) -> None:
    here = service.accepted(astronaut_png)
    with service.client.stream("GET", f"{here}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        told = [event for event in events(answer.iter_lines()) if "data" in event]
    assert {event["event"] for event in told} == {"report"}
    reports = [json.loads(event["data"]) for event in told]
    assert all(before != after for before, after in pairwise(reports))
    order = ["queued", "running", "protected", "scored"]
    states = [order.index(report["status"]) for report in reports]
    assert states == sorted(states)
    assert reports[-1] == service.report(here)
    assert reports[-1]["status"] == "scored"
    assert [int(event["id"]) for event in told] == sorted({int(event["id"]) for event in told})

    last = {"Last-Event-ID": told[-1]["id"]}
    over = service.client.get(f"{here}/events", headers=last)
    assert (over.status_code, over.content) == (204, b"")
    again = service.client.get(f"{here}/events")
    assert [json.loads(event["data"]) for event in events(iter(again.text.splitlines()))] == [reports[-1]]


def test_deleting_ends_the_stream(service: Running, astronaut_png: bytes) -> None:
    here = service.accepted(astronaut_png)
    with service.client.stream("GET", f"{here}/events") as answer:
        stream = events(answer.iter_lines())
        next(stream)
        service.client.delete(here)
        last = [event["event"] for event in stream][-1:]
    # the job may have come to its end before it was erased
    assert last in (["deleted"], ["report"], [])
    assert service.client.get(f"{here}/events").status_code == 404


@pytest.mark.parametrize("listening", [True, False])
def test_nothing_is_missed_with_or_without_announcements(bench: Bench, astronaut_png: bytes, listening: bool) -> None:
    front = front_of(bench)
    result_id, job = bench.accept(astronaut_png)

    def work() -> None:
        time.sleep(0.2)
        become(bench, job.job_id, "running")
        time.sleep(0.4)
        bench.jobs.update(job.job_id, lambda _: None)  # nothing the owner could see
        bench.jobs.delete(bench.job(job.job_id))

    async def listen() -> list[tuple[str | None, str]]:
        changes = Changes(bench.redis)
        if listening:
            changes.start()
        told = []
        async for item in follow(front, changes, result_id, job, seen=None):
            told.append((item.event, getattr(item.data, "status", "")))
            if len(told) == 1:
                worker.start()
        changes.stop()
        worker.join()
        return told

    worker = threading.Thread(target=work)
    told = asyncio.run(asyncio.wait_for(listen(), 30))
    assert told[0] == ("report", "queued")
    assert told[-1] == ("deleted", "")
    assert told[1:-1] in ([("report", "running")], [])  # who only looks now and then may see less


def test_a_client_that_comes_back_is_told_only_what_is_new(bench: Bench, astronaut_png: bytes) -> None:
    front = front_of(bench)
    result_id, job = bench.accept(astronaut_png)
    seen = str(bench.job(job.job_id).revision)

    async def listen() -> list[str | None]:
        return [item.id async for item in follow(front, Changes(bench.redis), result_id, job, seen=seen)]

    becomes(bench, job.job_id, "failed", after=0.2)
    assert asyncio.run(asyncio.wait_for(listen(), 30)) == [str(int(seen) + 1)]


def test_waiting_ends_with_time_or_with_the_copy(bench: Bench, astronaut_png: bytes) -> None:
    front = front_of(bench)
    result_id, job = bench.accept(astronaut_png)

    async def wait(seconds: float) -> str:
        return (await settled(front, Changes(bench.redis), result_id, job, seconds=seconds)).status

    assert asyncio.run(wait(0.1)) == "queued"
    becomes(bench, job.job_id, "protected", after=0.2)
    assert asyncio.run(asyncio.wait_for(wait(30), 20)) == "protected"


def test_who_stops_waiting_is_forgotten(bench: Bench) -> None:
    changes = Changes(bench.redis)
    with changes.watch("a"), changes.watch("a"):
        assert set(changes._waiting) == {"a"}
    assert changes._waiting == {}


def test_those_who_follow_leave_connections_to_others(bench: Bench, astronaut_png: bytes) -> None:
    here = f"/v1/protections/{bench.accept(astronaut_png)[0]}"
    with serving(bench, max_connections=10) as client, ExitStack() as stack:
        streams = [stack.enter_context(client.stream("GET", f"{here}/events")).iter_lines() for _ in range(5)]
        assert all(next(stream) for stream in streams)
        refused = client.get(f"{here}/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        began = time.monotonic()
        files = {"image": ("a", astronaut_png)}
        assert client.post("/v1/protections", files=files, headers={"Prefer": "wait=30"}).status_code == 202
        assert time.monotonic() - began < 20
