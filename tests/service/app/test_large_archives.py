"""Archives that list millions of files, or take long to look through, while others ask for something."""

from __future__ import annotations

import io
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.helpers.zip_listings import Count, listing
from tests.service.helpers.admin_uploads import zipped
from tests.service.helpers.lone_front_end import Alone, alone

KEY = "a-key-that-nobody-guesses"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


def upload(front: Alone, path: Path) -> httpx.Response:
    with path.open("rb") as file:
        return front.client.post(
            "/v1/admin/datasets", content=file, headers={"X-API-Key": KEY, "Content-Type": "application/zip"}
        )


@pytest.mark.parametrize("count", get_args(Count))
def test_a_listing_of_a_million_files_costs_next_to_nothing(redis_url: str, tmp_path: Path, count: Count) -> None:
    path = listing(tmp_path / "many.zip", 1_000_000, count=count)
    with alone(redis_url, tmp_path, POISE_ADMIN_KEYS=KEY) as front:
        before = front.memory()
        answer = upload(front, path)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unprocessable")
        assert "limit is 100000" in answer.json()["detail"]
        assert front.memory() - before < 60_000_000


def picture() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(data, "PNG")
    return data.getvalue()


def test_others_are_answered_while_a_large_archive_is_looked_through(redis_url: str, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(zipped({f"{i:05d}.png": picture() for i in range(4_000)}))
    longest, over = 0.0, threading.Event()
    with alone(redis_url, tmp_path, POISE_ADMIN_KEYS=KEY) as front:

        def ask() -> None:
            nonlocal longest
            with httpx.Client(base_url=front.client.base_url, timeout=60) as client:
                while not over.wait(0.02):
                    began = time.monotonic()
                    client.get("/livez").raise_for_status()
                    longest = max(longest, time.monotonic() - began)

        before, asking = front.memory(), threading.Thread(target=ask)
        asking.start()
        answer = upload(front, path)
        over.set()
        asking.join()
        assert (answer.status_code, answer.json()["faces"]) == (201, 4_000)
        assert front.memory() - before < 60_000_000
    assert longest < 2.0
