"""Down, degraded, ready: what ``/readyz`` says if a part is missing or only looks alive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import Metric

from app.contracts.names import PROTECT, QUEUES, SCORE, SCORE_CROWD
from app.contracts.redis import backlog, liveness
from app.contracts.redis.backlog import STUCK_SECONDS
from app.contracts.redis.messages import queue_key
from app.main import create_app
from app.tasks import CeleryQueue
from tests.helpers.waiting import until
from tests.service.conftest import Bench
from tests.service.helpers import building
from tests.service.helpers.killing import pid_of
from tests.service.helpers.running import Running
from worker.probe import serves

ALL = "host:1"


@pytest.fixture
def client(bench: Bench) -> Iterator[TestClient]:
    with TestClient(create_app(bench.settings)) as client:
        yield client


def said(client: TestClient) -> tuple[int, str]:
    """The status, and whatever is named as missing."""
    answer = client.get("/readyz")
    document = answer.json()
    return answer.status_code, document.get("detail") or " ".join([document["status"], *document.get("degraded", ())])


@pytest.mark.parametrize(
    ("served", "status", "words"),
    [
        (QUEUES, 200, "ready"),
        (("protect", "large", "train"), 200, "degraded no worker serves the queue score"),
        (("protect", "large", "score"), 200, "degraded no worker serves the queue train"),
        (("protect", "score", "train"), 200, "degraded no worker serves the queue large"),
        (("large", "score", "train"), 503, "no worker serves the queue protect"),
        ((), 503, "no worker serves the queue protect"),
    ],
)
def test_only_protecting_is_essential(
    bench: Bench, client: TestClient, served: tuple[str, ...], status: int, words: str
) -> None:
    liveness.beat(bench.redis, ALL, served)
    found = said(client)
    assert found[0] == status
    assert words in found[1]


def waits_for(bench: Bench, task: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue a message that was sent so long ago."""
    queue = CeleryQueue(bench.settings)
    with monkeypatch.context() as earlier:
        now = time.time()
        earlier.setattr("app.tasks.sent_now", lambda: {"poise_sent_at": now - seconds})
        queue.send(task, "0" * 32)
    queue.close()


@pytest.mark.parametrize(("task", "queue"), [(PROTECT, "protect"), (SCORE, "score"), (SCORE_CROWD, "crowd")])
def test_a_queue_that_nobody_takes_from_counts(
    bench: Bench, client: TestClient, monkeypatch: pytest.MonkeyPatch, task: str, queue: str
) -> None:
    liveness.beat(bench.redis, ALL, QUEUES)
    waits_for(bench, task, STUCK_SECONDS / 2, monkeypatch)
    assert said(client) == (200, "ready"), "a queue may be long"
    bench.redis.delete(queue_key(queue))
    waits_for(bench, task, STUCK_SECONDS * 2, monkeypatch)
    backlog.worked(bench.redis, [queue])
    assert said(client) == (200, "ready"), "somebody is at it"
    assert serves(bench.redis, "host", QUEUES)
    bench.redis.set(f"poise:worked:{queue}", time.time() - STUCK_SECONDS - 1)
    code, words = said(client)
    assert code == (503 if queue == "protect" else 200)
    served = {"crowd": "score"}.get(queue, queue)
    assert f"wait in the queue {served}" in words
    assert stuck(bench, queue) == 1
    assert not serves(bench.redis, "host", [served]), "a container's health follows"


def stuck(bench: Bench, queue: str) -> float:
    """What the metrics say."""
    families: dict[str, Metric] = {one.name: one for one in building.shared_figures(bench.redis).collect()}
    return next(one.value for one in families["poise_queue_stuck"].samples if one.labels["queue"] == queue)


def test_a_sign_of_life_from_the_future_is_none(bench: Bench) -> None:
    """As after a clock was set back."""
    ahead = time.time() + 3600
    bench.redis.zadd("poise:workers:protect", {"host:2": ahead})
    bench.redis.set("poise:worked:protect", ahead)
    assert liveness.count(bench.redis, "protect") == 0
    assert liveness.hosts(bench.redis, "protect") == set()
    assert backlog.idle(bench.redis, "protect") > STUCK_SECONDS
    liveness.beat(bench.redis, ALL, ["protect"])
    assert bench.redis.zrange("poise:workers:protect", 0, -1) == [ALL.encode()]


@pytest.mark.slow
@pytest.mark.parametrize(("queue", "status"), [("protect", 503), ("score", 200)])
def test_a_parent_that_is_stopped_shows(service: Running, astronaut_png: bytes, queue: str, status: int) -> None:
    """Its child goes on signing in."""
    until(lambda: service.client.get("/readyz").json()["status"] == "ready")
    accepted = [service.accepted(astronaut_png)]
    service.settled(accepted[0])
    parent = pid_of(service, "parent", queue)
    assert parent is not None
    os.kill(parent, signal.SIGSTOP)
    try:
        accepted += [service.accepted(astronaut_png) for _ in range(3)]
        until(lambda: "wait in the queue" in service.client.get("/readyz").text, seconds=2 * STUCK_SECONDS + 20)
        answer = service.client.get("/readyz")
        assert answer.status_code == status
        assert f"the queue {queue}" in answer.text
    finally:
        os.kill(parent, signal.SIGCONT)
    until(lambda: service.client.get("/readyz").json()["status"] == "ready")
    assert {service.settled(here, seconds=240)["status"] for here in accepted} == {"scored"}


def test_a_folder_that_takes_no_files_is_down(bench: Bench, client: TestClient, tmp_path: Path) -> None:
    liveness.beat(bench.redis, ALL, QUEUES)
    partial = bench.settings.storage_dir / ".partial"
    partial.rename(tmp_path / "elsewhere")
    partial.write_text("a file where the folder was")
    code, words = said(client)
    assert code == 503
    assert "cannot be written" in words
