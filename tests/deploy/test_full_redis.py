"""Redis as ``docker-compose.yml`` starts it, whose memory is used up: nothing is half accepted, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from redis.exceptions import OutOfMemoryError

from app.contracts.settings import Settings
from app.main import create_app
from tests.deploy.composition import parts
from tests.deploy.locally import here, start
from tests.helpers.ports import free_port

PASSWORD = "letters0and9digits"  # noqa: S105 - of a Redis that lives for this test
MEGABYTES = 8
SECRETS = {"REDIS_PASSWORD": PASSWORD, "POISE_ADMIN_KEYS": "k" * 32, "REDIS_MEGABYTES": str(MEGABYTES)}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a small Redis, started by the compose file's own command."""
    (tmp_path / "redis").mkdir()
    port = free_port()
    part = parts(SECRETS)["redis"]
    assert part.said["deploy"]["resources"]["limits"]["memory"] == f"{MEGABYTES}m"
    started = start(part, tmp_path, here(tmp_path, redis_port=port, api_port=free_port()))
    try:
        started.wait_until_healthy()
        yield port
    finally:
        started.stop()


def test_it_refuses_before_its_container_is_full(port: int) -> None:
    """Rewriting the append-only file may take as much again as the records."""
    with Redis(port=port, password=PASSWORD) as redis:
        assert int(redis.config_get("maxmemory")["maxmemory"]) == MEGABYTES * 2**20 // 2


def test_front_end_explains_itself_and_recovers(port: int, tmp_path: Path, astronaut_png: bytes) -> None:
    settings = Settings(redis_url=f"redis://:{PASSWORD}@127.0.0.1:{port}/0", data_dir=tmp_path / "data")
    with Redis(port=port, password=PASSWORD) as redis, TestClient(create_app(settings)) as client:

        def sent() -> tuple[int, str, dict[str, str]]:
            answer = client.post("/v1/protections", files={"image": ("photo.png", astronaut_png)})
            return answer.status_code, answer.headers["content-type"], answer.json()

        status, _, accepted = sent()
        assert status == 202
        kept = stored(settings)
        filled = fill(redis)
        no_room(redis)
        status, kind, problem = sent()
        assert status == 503
        assert kind == "application/problem+json"
        assert "Try again" in problem["detail"]
        assert stored(settings) == kept
        assert "memory is full" in client.get("/readyz").json()["detail"]
        redis.config_set("maxmemory", MEGABYTES * 2**20 // 2)
        redis.delete(*filled)
        assert client.get(accepted["links"]["self"]).json()["status"] == "queued"  # type: ignore[index]
        assert sent()[0] == 202


def no_room(redis: Redis) -> None:
    """From here on every write is refused.

    Close to the limit Redis takes one write and refuses the next, as the buffers of its connections come and go. A job
    whose record was written and whose message was refused is accepted: the sweeper sends it.
    """
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) // 2)


def fill(redis: Redis) -> list[str]:
    """Records until Redis takes no more."""
    names: list[str] = []
    for size in (100_000, 1_000):
        try:
            while True:
                redis.set(f"filled:{len(names)}", "x" * size)
                names.append(f"filled:{len(names)}")
        except OutOfMemoryError:
            continue
    return names


def stored(settings: Settings) -> set[Path]:
    """All files of the storage."""
    return {path for path in settings.storage_dir.rglob("*") if path.is_file()}
