"""A request sent again gets the first one's answer; nothing is made twice, and what is stored gives nothing away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.contracts.problems import BadRequest, KeyInFlight, KeyReused, KeySpent, Problem
from app.contracts.records.jobs import Options
from app.contracts.settings import Settings
from app.idempotency import IN_FLIGHT_SECONDS, Claim, claim, parse_key, request_digest
from app.service import Service
from tests.service.conftest import Bench
from tests.service.helpers.front_end import Recorder, front_of
from tests.service.helpers.running import Running


@pytest.fixture
def front(bench: Bench) -> Service:
    return front_of(bench)


def refused(kind: type[Problem], call: Callable[[], object]) -> None:
    with pytest.raises(kind):
        call()


def test_same_request_gets_the_same_job(front: Service, astronaut_png: bytes) -> None:
    first = front.accept(astronaut_png, Options(), key="a")
    again = front.accept(astronaut_png, Options(), key="a")
    other = front.accept(astronaut_png, Options(), key="b")
    assert again == first
    assert other[0] != first[0]
    assert isinstance(front.queue, Recorder)
    assert len(front.queue.sent) == 2


def test_a_key_stands_for_one_request(front: Service, astronaut_png: bytes) -> None:
    front.accept(astronaut_png, Options(), key="a")
    refused(KeyReused, lambda: front.accept(astronaut_png, Options(format="png"), key="a"))
    refused(KeyReused, lambda: front.accept(astronaut_png + b"\0", Options(), key="a"))


def test_a_retry_after_an_upgrade_is_recognised() -> None:
    assert Options().digested() == b'{"format":"keep","scores":true,"previews":true,"perturbation":null}'
    chosen = (Options(), Options(strength="subtle"), Options(faces=()), Options(faces=((0, 0, 9, 9),)))
    assert len({options.digested() for options in chosen}) == len(chosen)


def test_a_key_lives_as_long_as_its_result(front: Service, bench: Bench, astronaut_png: bytes) -> None:
    result_id, job = front.accept(astronaut_png, Options(), key="a")
    (place,) = bench.redis.keys("poise:idempotency:*")
    assert abs(bench.redis.ttl(place) - bench.redis.ttl(job.result_key)) <= 1
    front.erase(result_id)
    refused(KeySpent, lambda: front.accept(astronaut_png, Options(), key="a"))
    bench.redis.delete(place)
    assert front.accept(astronaut_png, Options(), key="a")[0] != result_id


def test_a_refused_request_leaves_its_key_free(bench: Bench, astronaut_png: bytes) -> None:
    narrow = Settings(redis_url=bench.settings.redis_url, data_dir=bench.settings.data_dir, max_open_jobs=1)
    jobs = type(bench.jobs)(bench.redis, narrow)
    front = Service(narrow, bench.redis, jobs, bench.blobs, bench.versions, Recorder())
    first, job = front.accept(astronaut_png, Options())
    refused(Problem, lambda: front.accept(astronaut_png, Options(), key="a"))
    assert bench.redis.keys("poise:idempotency:*") == []
    assert set(bench.blobs.jobs()) == {job.job_id}
    front.erase(first)
    assert front.accept(astronaut_png, Options(), key="a")


def test_a_request_that_never_ended_gives_its_key_back(bench: Bench) -> None:
    assert isinstance(claim(bench.redis, "a", b"digest"), Claim)
    refused(KeyInFlight, lambda: claim(bench.redis, "a", b"digest"))
    refused(KeyReused, lambda: claim(bench.redis, "a", b"another"))
    (place,) = bench.redis.keys("poise:idempotency:*")
    assert 0 < bench.redis.ttl(place) <= IN_FLIGHT_SECONDS


def test_requests_at_the_same_moment_make_one_job(front: Service, bench: Bench, astronaut_png: bytes) -> None:
    answers: list[str] = []

    def send() -> None:
        try:
            answers.append(front.accept(astronaut_png, Options(), key="a")[0])
        except KeyInFlight:
            answers.append("in flight")

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers) - {"in flight"}) == 1
    assert len(bench.redis.keys("poise:job:*")) == 1


def test_what_is_stored_gives_nothing_away(front: Service, bench: Bench, astronaut_png: bytes) -> None:
    key = "0d2a2c1e-photo-of-the-day"
    result_id, job = front.accept(astronaut_png, Options(), key=key)
    (place,) = bench.redis.keys("poise:idempotency:*")
    assert isinstance(place, bytes)
    stored = bench.redis.get(place)
    assert isinstance(stored, bytes)
    digest = request_digest(astronaut_png, Options().model_dump_json().encode())
    for secret in (key, result_id, job.job_id, job.result_key, digest.hex()):
        assert secret.encode() not in place + stored


def test_keys_are_quoted_or_bare() -> None:
    assert parse_key(None) is None
    assert parse_key('"a key; with, signs"') == "a key; with, signs"
    assert parse_key(" 8e03978e-40d5-43dd-bc93-6894a57f9324 ") == "8e03978e-40d5-43dd-bc93-6894a57f9324"
    for wrong in ("", '""', '"', "two words", "é", "x" * 256):
        with pytest.raises(BadRequest):
            parse_key(wrong)


def test_over_http(service: Running, astronaut_png: bytes) -> None:
    headers = {"Idempotency-Key": '"b5b3cd24-5a5d-4f7e-9a4e"'}
    first = service.upload(astronaut_png, headers=headers, scores="false")
    again = service.upload(astronaut_png, headers={**headers, "Prefer": "wait=20"}, scores="false")
    assert again.headers["Location"] == first.headers["Location"]
    assert again.status_code == 201
    other = service.upload(astronaut_png, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    assert service.client.delete(first.headers["Location"]).status_code == 204
    spent = service.upload(astronaut_png, headers=headers, scores="false")
    assert (spent.status_code, spent.json()["type"]) == (409, "/problems/key-spent")
    assert service.upload(astronaut_png, headers={"Idempotency-Key": "no good"}).status_code == 400
