"""Every service of ``docker-compose.yml`` by its own command, in its own order, and a photo through all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.deploy.composition import parts
from tests.deploy.locally import Started, here, start
from tests.helpers.ports import free_port

pytestmark = pytest.mark.slow

PASSWORD = "letters0and9digits"  # noqa: S105 - of a Redis that lives for this test
SECRETS = {
    "REDIS_PASSWORD": PASSWORD,
    "POISE_ADMIN_KEYS": "k" * 32,
    "WORKER_THREADS": "1",
    "POISE_SCORED_BY": "stargan,attentiongan",
}


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {"redis_port": free_port(), "api_port": free_port()}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[dict[str, Started]]:
    """All services without a profile. One starts when those it waits for are healthy, and not before."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "redis").mkdir()
    (folder / "data").mkdir(mode=0o700)
    table = here(folder, **ports)
    running: dict[str, Started] = {}
    try:
        for part in parts(SECRETS).values():
            for name in part.waits_for:
                running[name].wait_until_healthy()
            running[part.name] = start(part, folder, table)
        for service in running.values():
            service.wait_until_healthy()
        yield running
    finally:
        for service in reversed(running.values()):
            service.stop()


@pytest.fixture
def client(started: dict[str, Started], ports: dict[str, int]) -> Iterator[httpx.Client]:
    assert started
    with httpx.Client(base_url=f"http://127.0.0.1:{ports['api_port']}", timeout=120) as client:
        yield client


def test_photo_is_protected_and_scored(client: httpx.Client, astronaut_png: bytes) -> None:
    accepted = client.post("/v1/protections", files={"image": ("photo.png", astronaut_png)})
    assert accepted.status_code == 202, accepted.text
    end = time.monotonic() + 180
    while (report := client.get(accepted.headers["Location"]).json())["status"] not in {"scored", "failed"}:
        assert time.monotonic() < end, report
        time.sleep(0.5)
    assert report["status"] == "scored", report
    assert report["summary"]["architectures"] >= 1
    protected = client.get(report["links"]["image"])
    assert protected.headers["content-type"] == "image/png"
    assert protected.content != astronaut_png


def test_all_queues_are_served(client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}


def test_admin_routes_want_the_key(client: httpx.Client) -> None:
    assert client.get("/v1/admin/perturbations").status_code == 401
    told = {"Authorization": f"Bearer {SECRETS['POISE_ADMIN_KEYS']}"}
    assert client.get("/v1/admin/perturbations", headers=told).status_code == 200


def test_redis_is_as_safe_as_it_is_said_to_be(started: dict[str, Started], ports: dict[str, int]) -> None:
    assert started
    with Redis(port=ports["redis_port"], password=PASSWORD) as redis:
        assert redis.config_get("appendonly") == {"appendonly": "yes"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis.config_get("requirepass") == {"requirepass": PASSWORD}


def test_password_is_in_no_command_line(started: dict[str, Started]) -> None:
    for service in started.values():
        assert PASSWORD not in Path(f"/proc/{service.process.pid}/cmdline").read_text()


def test_health_follows_the_worker(started: dict[str, Started]) -> None:
    """A worker that has been stopped is not healthy any more, and Docker's signal ends it in time."""
    trainer = started["trainer"]
    assert trainer.is_healthy()
    assert trainer.stop() == 0
    end = time.monotonic() + 60
    while trainer.is_healthy():
        assert time.monotonic() < end
        time.sleep(1)
