"""Answers to clients: their statuses and headers are true in every case."""

from __future__ import annotations

import io
import socket
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.contracts.problems import Unprocessable
from app.contracts.records.jobs import Job, Options
from app.contracts.records.versions import Versions
from app.contracts.storage import storage_of
from app.routes.protections import wait_seconds
from tests.service.conftest import Bench
from tests.service.contracts.test_versions import add
from tests.service.helpers.front_end import front_of, serving


def encoded(kind: str = "PNG", size: tuple[int, int] = (70, 50), **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (90, 20, 60)).save(data, kind, **options)
    return data.getvalue()


def upload(client: httpx.Client, photo: bytes, **headers: str) -> httpx.Response:
    return client.post("/v1/protections", files={"image": ("a", photo)}, data={"scores": "false"}, headers=headers)


def batch(client: httpx.Client, *photos: bytes) -> httpx.Response:
    return client.post("/v1/batches", files=[("images", ("a", photo)) for photo in photos])


def job_of(bench: Bench, answer: httpx.Response) -> Job:
    found = bench.jobs.find(answer.json()["id"])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 0),
        (["wait=7"], 7),
        (['Wait = "7"'], 7),
        (["wait\t=\t7 ; foo=bar"], 7),
        (["respond-async, wait=7"], 7),
        (["respond-async", "handling=lenient", "wait=7"], 7),
        (["wait=7", "wait=9"], 7),
        (["wait=900"], 30),
        (["handling=lenient; wait=7"], 0),
        (['note="a, wait=7", handling=lenient'], 0),
        (['note="a \\", wait=7"'], 0),
        (["await=7"], 0),
        (["wait=-7"], 0),
        (["wait=soon"], 0),
        (["wait"], 0),
        (["wait=7.5"], 0),
        (["wait=7 8"], 0),
        (["wait=٧"], 0),
    ],
)
def test_preferences_are_read_as_the_rfc_wants_it(lines: list[str], seconds: int) -> None:
    assert wait_seconds(lines) == seconds


@given(st.lists(st.text('wait=7",;\\ ', max_size=40), max_size=3))
def test_no_preference_is_an_error(lines: list[str]) -> None:
    assert 0 <= wait_seconds(lines) <= 30


def test_a_long_preference_takes_no_time() -> None:
    began = time.monotonic()
    wait_seconds(['"' + '\\"' * 30_000])
    assert time.monotonic() - began < 1.0


def test_created_is_said_only_of_a_copy_that_exists(bench: Bench) -> None:
    good, bad = encoded(), encoded("JPEG", (400, 400))[:1000]
    with serving(bench) as client:
        for photo, key, wanted in ((good, "good", (201, "protected")), (bad, "bad", (202, "failed"))):
            first = upload(client, photo, **{"Idempotency-Key": key})
            assert (first.status_code, first.json()["status"]) == (202, "queued")
            bench.stages.protect(job_of(bench, first).job_id, bench.perturbation)
            for prefer in ({}, {"Prefer": "wait=5"}):
                again = upload(client, photo, **{"Idempotency-Key": key}, **prefer)
                assert (again.status_code, again.json()["status"]) == wanted
                assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("JPEG", 3), ("PNG", 8), ("WEBP", 5), ("AVIF", 7)])
def test_the_source_is_as_upright_as_the_rest_of_the_report(bench: Bench, kind: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    with serving(bench) as client:
        accepted = upload(client, encoded(kind, (70, 50), exif=tags))
        bench.stages.protect(job_of(bench, accepted).job_id, bench.perturbation)
        report = client.get(accepted.headers["Location"]).json()
        with Image.open(io.BytesIO(client.get(report["links"]["image"]).content)) as image:
            assert image.size == (report["source"]["width"], report["source"]["height"])
            assert image.size == ((70, 50) if orientation == 3 else (50, 70))
    assert report["regions"] == [
        {"x": 0, "y": 0, "width": image.width, "height": image.height, "already_protected": False}
    ]


def test_a_batch_says_when_to_come_back_to_a_full_queue(bench: Bench) -> None:
    with serving(bench, max_open_jobs=2, rate_limit="off") as client:
        assert "Retry-After" not in batch(client, encoded()).headers
        some = batch(client, encoded(), encoded())
        assert (some.status_code, [item["status"] for item in some.json()["items"]]) == (202, [202, 429])
        assert int(some.headers["Retry-After"]) > 0
        none = batch(client, encoded(), encoded())
        assert (none.status_code, none.json()["type"]) == (429, "/problems/too-many-jobs")
        assert none.headers["Retry-After"] == some.headers["Retry-After"]
        mixed = batch(client, encoded(), b"no photo")
        assert (mixed.status_code, [item["status"] for item in mixed.json()["items"]]) == (202, [429, 415])


def test_a_batch_tells_what_is_left_after_all_of_it(bench: Bench) -> None:
    with serving(bench, rate_limit="10/hour") as client:
        assert batch(client, encoded(), encoded(), encoded()).headers["RateLimit"].startswith('"uploads";r=7;')
        assert batch(client, encoded()).headers["RateLimit"].startswith('"uploads";r=6;')


def test_a_version_can_be_asked_for_as_soon_as_it_is_listed(bench: Bench) -> None:
    assert bench.perturbation()
    with serving(bench) as client:
        name = add(Versions(storage_of(bench.settings), None), bench.settings.data_dir, seed=1)
        assert name not in bench.versions.announced_names()
        for version, status in ((name, 202), ("nothing-00000000", 422), ("../x", 422)):
            form = {"perturbation": version}
            answer = client.post("/v1/protections", files={"image": ("a", encoded())}, data=form)
            assert answer.status_code == status


def test_a_picture_too_long_for_its_copy_is_refused_before_it_waits(bench: Bench) -> None:
    long = encoded("PNG", (20_000, 4))
    front = front_of(bench)
    with pytest.raises(Unprocessable, match="format=png"):
        front.accept(long, Options(format="webp"))
    assert list(bench.blobs.jobs()) == []
    assert front.accept(long, Options(format="keep"))


@pytest.mark.parametrize("path", ["/", "/page.js", "/livez", "/openapi.json", "report", "image"])
def test_a_head_is_the_answer_without_its_body(bench: Bench, path: str) -> None:
    with serving(bench) as client:
        accepted = upload(client, encoded())
        bench.stages.protect(job_of(bench, accepted).job_id, bench.perturbation)
        here = {"report": accepted.headers["Location"], "image": accepted.headers["Location"] + "/image"}.get(
            path, path
        )
        whole, head = client.get(here), client.head(here)
        assert (head.status_code, head.content) == (200, b"")
        told, asked = (
            {k: v for k, v in one.headers.items() if k not in ("date", "ratelimit")} for one in (head, whole)
        )
        assert told == asked
        assert client.get(here).content == whole.content
        assert client.head(here + "x").status_code == 404


def test_allow_lists_every_method_of_a_path(bench: Bench) -> None:
    with serving(bench, admin_keys="a-key-that-nobody-guesses") as client:
        here = upload(client, encoded()).headers["Location"]
        for path, methods in (
            (here, "HEAD, GET, DELETE"),
            (here + "/events", "GET"),
            ("/v1/protections", "POST"),
            ("/v1/admin/architectures/x", "HEAD, GET, PATCH, DELETE"),
            ("/livez", "HEAD, GET"),
        ):
            answer = client.put(path)
            assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
            assert answer.headers["Allow"] == methods
        assert client.head(here + "/events").status_code == 405


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense secret\r\n\r\n",
        b"GET /secret HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nsecret header: 1\r\n\r\n",
        b"POST /v1/protections HTTP/1.1\r\nHost: a\r\nContent-Length: secret\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0secret\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem(bench: Bench, sent: bytes) -> None:
    with serving(bench) as client, socket.create_connection(("127.0.0.1", client.base_url.port or 0), 10) as line:
        line.sendall(sent)
        said = b""
        while part := line.recv(4096):
            said += part
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"content-type: application/problem+json" in head.lower()
        assert b'"type":"/problems/bad-request"' in body
        assert b"secret" not in said
        assert client.get("/livez").status_code == 200
