"""What a client puts where no route looks, or sends in a form that no route reads, is refused and not ignored."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.service.app.test_answers import encoded
from tests.service.conftest import ADMIN_KEY, Bench
from tests.service.helpers.front_end import serving

HIDDEN = "vSx7"
BATCH = "/v1/batches"
ONE = "/v1/protections"


@pytest.fixture
def client(bench: Bench) -> Iterator[httpx.Client]:
    with serving(bench, admin_keys=ADMIN_KEY, max_dataset_bytes=2_000_000) as there:
        there.headers["X-API-Key"] = ADMIN_KEY
        yield there


def changing(client: httpx.Client, *, bodies: bool = False) -> list[tuple[str, str]]:
    """Method and path of every operation that makes or changes something; with ``bodies``, of those that have one."""
    paths = client.get("/openapi.json").json()["paths"]
    found = [
        (method, re.sub(r"\{\w+\}", "x", path))
        for path, item in paths.items()
        for method in ("post", "put", "patch")
        if method in item and not (bodies and "requestBody" not in item[method])
    ]
    assert len(found) >= 6
    return found


def detail(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    said: str = answer.json()["detail"]
    return said


def photo(path: str, photo_: bytes) -> dict[str, tuple[str, bytes]]:
    return {"images" if path == BATCH else "image": ("a.png", photo_)}


@pytest.mark.parametrize("path", [ONE, BATCH])
def test_options_in_the_query_of_a_photo_are_refused(client: httpx.Client, path: str) -> None:
    """As in https://github.com/pillarjs/multiparty/issues/152."""
    for query in ("format=png", "strength=strong&scores=false", HIDDEN):
        said = detail(client.post(f"{path}?{query}", files=photo(path, encoded())), 422)
        assert "Options belong in the form" in said
        assert HIDDEN not in said
    fine = client.post(path, files=photo(path, encoded()), data={"format": "png"})
    assert fine.status_code == 202
    assert client.post(f"{path}?", files=photo(path, encoded())).status_code == 202


def test_a_large_photo_is_read_so_that_its_sender_hears_the_answer(client: httpx.Client) -> None:
    large = encoded("BMP", (2000, 1500))
    for _ in range(3):
        detail(client.post(f"{ONE}?format=png", files=photo(ONE, large)), 422)
        detail(client.post(ONE, files=photo(ONE, large), headers={"Content-Encoding": "br"}), 415)


def test_no_operation_ignores_a_query_it_does_not_know(client: httpx.Client) -> None:
    for method, path in changing(client):
        said = detail(client.request(method, f"{path}?{HIDDEN}=1"), 422)
        assert "query" in said, path
        assert HIDDEN not in said


def test_what_may_be_in_a_query_is_read(client: httpx.Client) -> None:
    for path, query in (("datasets", "name=UPPER"), ("architectures", "name=stargan&edits=a&edits=b&twin=true")):
        answer = client.post(f"/v1/admin/{path}?{query}", content=b"no archive")
        assert answer.status_code >= 400
        assert "query" not in answer.json()["detail"]


def test_the_key_is_asked_for_first(client: httpx.Client) -> None:
    for method, path in changing(client):
        if "/admin/" in path:
            answer = client.request(method, f"{path}?{HIDDEN}=1", headers={"X-API-Key": "wrong"})
            assert answer.status_code in (401, 429)


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_photo_that_is_compressed_in_transit_is_refused(client: httpx.Client, coding: str) -> None:
    """As in https://github.com/jetty/jetty.project/issues/5285."""
    whole = httpx.Request("POST", client.base_url, files=photo(ONE, encoded()))
    head = {"Content-Type": whole.headers["Content-Type"], "Content-Encoding": coding}
    answer = client.post(ONE, content=gzip.compress(whole.read()), headers=head)
    assert "`Content-Encoding`" in detail(answer, 415)
    assert answer.headers["Accept-Encoding"] == "identity"


def test_no_operation_reads_a_compressed_body(client: httpx.Client) -> None:
    form = "multipart/form-data; boundary=b"
    for method, path in changing(client, bodies=True):
        kinds = [form] if path in (ONE, BATCH) else [form, "application/octet-stream", "application/zip"]
        if path.endswith(("trainings", "estimate", "/x")):
            kinds = ["application/json"]
        for kind in kinds:
            head = {"Content-Type": kind, "Content-Encoding": "gzip"}
            answer = client.request(method, path, content=gzip.compress(b"{}"), headers=head)
            assert "`Content-Encoding`" in detail(answer, 415), path
            assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "", "Identity"])
def test_a_body_that_is_said_to_be_as_it_is_is_read(client: httpx.Client, coding: str) -> None:
    answer = client.post(ONE, files=photo(ONE, encoded()), headers={"Content-Encoding": coding})
    assert answer.status_code == 202


def test_every_refusal_is_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for item in paths.values():
        for method in {"post", "put", "patch"} & item.keys():
            wanted = {"422", "415"} if "requestBody" in item[method] else {"422"}
            assert wanted <= item[method]["responses"].keys()
