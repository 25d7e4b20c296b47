"""Several photos in one request: every one on its own."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager

import httpx
import pytest
from PIL import Image

from app import service as front
from app.contracts.report import Source
from app.photos.inspection import inspect
from tests.service.conftest import Bench
from tests.service.helpers.front_end import serving
from tests.service.helpers.running import Running


def small(colour: int = 90) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (70, 50), (colour, 20, 60)).save(data, "PNG")
    return data.getvalue()


def send(client: httpx.Client, *photos: bytes, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
    files = [("images", (f"{position}.png", photo)) for position, photo in enumerate(photos)]
    return client.post("/v1/batches", files=files, data=fields, headers=headers)


def narrow(bench: Bench) -> AbstractContextManager[httpx.Client]:
    """The front end with limits a test can reach."""
    return serving(
        bench, max_upload_bytes=2000, max_batch=3, max_batch_bytes=20_000, max_open_jobs=2, rate_limit="6/hour"
    )


def test_a_bad_photo_leaves_the_others_alone(service: Running) -> None:
    answer = send(service.client, small(), b"no photo", b"", small(7), scores="false", format="webp")
    assert answer.status_code == 202
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [202, 415, 422, 202]
    assert [item["problem"] and item["problem"]["type"] for item in items] == [
        None,
        "/problems/unsupported-media",
        "/problems/unprocessable",
        None,
    ]
    for position in (0, 3):
        report = service.settled(items[position]["report"]["links"]["self"])
        assert report["status"] == "protected"
        assert service.client.get(report["links"]["image"]).headers["Content-Type"] == "image/webp"


def test_photos_sent_again_are_not_made_again(service: Running) -> None:
    key = {"Idempotency-Key": "5f5a5ae0-3d2e-4dd2"}
    first = send(service.client, small(1), small(1), small(2), headers=key, scores="false").json()["items"]
    again = send(service.client, small(1), small(1), small(2), headers=key, scores="false").json()["items"]
    ids = [item["report"]["id"] for item in first]
    assert [item["report"]["id"] for item in again] == ids
    assert len(set(ids)) == 3


def test_too_large_a_photo_is_one_items_problem(bench: Bench) -> None:
    with narrow(bench) as client:
        items = send(client, small(), b"\0" * 5000, small()).json()["items"]
    assert [item["status"] for item in items] == [202, 413, 202]


def test_a_full_queue_refuses_what_does_not_fit(bench: Bench) -> None:
    with narrow(bench) as client:
        items = send(client, small(), small(), small()).json()["items"]
    assert [item["status"] for item in items] == [202, 202, 429]


def test_a_mistake_on_one_photo_leaves_the_others_theirs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong: the ids of the photos that were accepted are in this answer and nowhere else."""

    def odd(data: bytes, *, max_pixels: int, heic: bool) -> Source:
        if data == b"odd":
            raise AttributeError("'IFDRational' object has no attribute 'encode'")
        return inspect(data, max_pixels=max_pixels, heic=heic)

    monkeypatch.setattr(front, "inspect", odd)
    with narrow(bench) as client:
        answer = send(client, small(), b"odd", small())
    items = answer.json()["items"]
    assert answer.status_code == 202
    assert [item["status"] for item in items] == [202, 500, 202]
    assert "this photo" in items[1]["problem"]["detail"]
    assert "IFDRational" not in answer.text
    assert len(list(bench.redis.keys("poise:job:*"))) == 2


def test_limits_of_a_whole_batch(bench: Bench) -> None:
    with narrow(bench) as client:
        assert send(client, *[small()] * 4).status_code == 422
        assert send(client, b"\0" * 90_000).status_code == 413
        assert send(client).status_code in (415, 422)
        assert client.post("/v1/batches", files={"image": ("a.png", small())}).status_code == 422
    assert list(bench.redis.keys("poise:job:*")) == []


def test_every_photo_counts_against_the_rate(bench: Bench) -> None:
    with narrow(bench) as client:
        statuses = [send(client, b"x", b"x", b"x").status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
