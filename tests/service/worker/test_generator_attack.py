"""A checkpoint that would hold a worker for years, sent to a whole service: photos go through it all the same."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import ADMIN_KEY
from tests.service.helpers import hostile
from tests.service.helpers.running import Running

pytestmark = pytest.mark.slow


def sent(service: Running, content: bytes, name: str) -> str:
    """Upload a checkpoint; where its record is."""
    answer = service.client.post(
        "/v1/admin/architectures", params={"name": name}, content=content, headers={"X-API-Key": ADMIN_KEY}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def record(service: Running, location: str) -> dict[str, object]:
    answer = service.client.get(location, headers={"X-API-Key": ADMIN_KEY})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_hashing_bomb_blocks_nothing_else(service: Running, astronaut_png: bytes) -> None:
    workers = {pid for pid, command in service.descendants() if "@poise" in command}
    location = sent(service, hostile.hashing_bomb(), "bomb")
    refused = False
    reports = []
    end = time.monotonic() + 120
    while not refused:
        assert time.monotonic() < end
        ready: httpx.Response = service.client.get("/readyz")
        assert ready.status_code == 200, ready.text
        reports.append(service.settled(service.accepted(astronaut_png, scores="false")))
        refused = record(service, location)["status"] == "refused"
        time.sleep(0.5)
    assert {report["status"] for report in reports} == {"protected"}
    scored = service.settled(service.accepted(astronaut_png), seconds=120)
    assert scored["status"] == "scored"
    assert workers <= {pid for pid, _ in service.descendants()}, "no worker had to be replaced"
    assert "POISE_CHECK_SECONDS" in str(record(service, location)["error"])


def test_a_slow_generator_never_comes_into_use(service: Running, astronaut_png: bytes, tmp_path: Path) -> None:
    location = sent(service, hostile.resized("stargan", tmp_path, image_size=2048).read_bytes(), "slow")
    end = time.monotonic() + 120
    while record(service, location)["status"] == "checking":
        assert time.monotonic() < end
        time.sleep(0.5)
    assert record(service, location)["status"] == "refused"
    scored = service.settled(service.accepted(astronaut_png), seconds=120)
    assert scored["status"] == "scored"
    assert "slow" not in {score["architecture"] for score in scored["scores"]}
