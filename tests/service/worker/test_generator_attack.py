"""A checkpoint that would hold a worker for years, sent to a whole service: photos go through it all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.helpers import hostile, running

pytestmark = pytest.mark.slow

KEY = "a-key-that-nobody-guesses"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Running]:
    """A service that administrators can use, with short limits."""
    data_dir = tmp_path_factory.mktemp("attacked") / "var"
    started = running.start(data_dir, POISE_ADMIN_KEYS=KEY, POISE_CHECK_SECONDS="6", POISE_GENERATOR_SECONDS="20")
    yield started
    started.stop()


def sent(service: running.Running, content: bytes, name: str) -> str:
    """Upload a checkpoint; where its record is."""
    answer = service.client.post(
        "/v1/admin/architectures", params={"name": name}, content=content, headers={"X-API-Key": KEY}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def record(service: running.Running, location: str) -> dict[str, object]:
    answer = service.client.get(location, headers={"X-API-Key": KEY})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_hashing_bomb_blocks_nothing_else(attacked: running.Running, astronaut_png: bytes) -> None:
    workers = {pid for pid, command in attacked.descendants() if "celery" in command}
    location = sent(attacked, hostile.hashing_bomb(), "bomb")
    refused = False
    reports = []
    end = time.monotonic() + 120
    while not refused:
        assert time.monotonic() < end
        ready: httpx.Response = attacked.client.get("/readyz")
        assert ready.status_code == 200, ready.text
        reports.append(attacked.settled(attacked.accepted(astronaut_png, scores="false")))
        refused = record(attacked, location)["status"] == "refused"
    assert {report["status"] for report in reports} == {"protected"}
    scored = attacked.settled(attacked.accepted(astronaut_png), seconds=120)
    assert scored["status"] == "scored"
    assert workers <= {pid for pid, _ in attacked.descendants()}, "no worker had to be replaced"
    assert "POISE_CHECK_SECONDS" in str(record(attacked, location)["error"])


def test_a_slow_generator_never_comes_into_use(attacked: running.Running, astronaut_png: bytes, tmp_path: Path) -> None:
    location = sent(attacked, hostile.resized("stargan", tmp_path, image_size=2048).read_bytes(), "slow")
    end = time.monotonic() + 120
    while record(attacked, location)["status"] == "checking":
        assert time.monotonic() < end
        time.sleep(0.5)
    assert record(attacked, location)["status"] == "refused"
    scored = attacked.settled(attacked.accepted(astronaut_png), seconds=120)
    assert scored["status"] == "scored"
    assert "slow" not in {score["architecture"] for score in scored["scores"]}
