"""The files of the pages: compressed where that is understood, sent once, and nothing else of the disk."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.metrics import REQUESTS
from app.page_files import FOLDER
from tests.service.conftest import Bench


@pytest.fixture
def client(bench: Bench) -> Iterator[TestClient]:
    with TestClient(create_app(bench.settings), follow_redirects=False) as here:
        yield here


@pytest.mark.parametrize("path", ["/", "/admin", "/page.js", "/page.css", "/manifest.webmanifest", "/sharing.js"])
def test_a_page_is_compressed_and_strict(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < len(plain.content)
    policy = packed.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.2", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*, gzip; q=0.0", False),
        ("gzip;q=often", False),
        ("x-gzip2", False),
        ("", False),
    ],
)
def test_compressed_only_for_who_takes_it(client: TestClient, accepted: str, packed: bool) -> None:
    answer = client.get("/", headers={"Accept-Encoding": accepted})
    assert ("Content-Encoding" in answer.headers) is packed


def test_a_file_that_is_known_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/static/texts.js").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"older", W/{etag}'):
        again = client.get("/static/texts.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)


def test_plain_and_compressed_files_are_told_apart(client: TestClient) -> None:
    plain, packed = (
        client.get("/static/texts.js", headers={"Accept-Encoding": encoding}).headers["ETag"]
        for encoding in ("identity", "gzip")
    )
    assert plain != packed
    other = client.get("/static/texts.js", headers={"Accept-Encoding": "identity", "If-None-Match": packed})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "../main.py", "..%2fmain.py", "/etc/passwd", "", "photos"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_everything_the_pages_name_is_there(client: TestClient) -> None:
    files = [
        path
        for path in FOLDER.rglob("*")
        if path.suffix in (".html", ".js", ".webmanifest") and "vendor" not in path.parts
    ]
    named = {
        found for path in files for found in re.findall(r"""["'`](/(?:static/)?[\w/.-]+\.\w+)["'`]""", path.read_text())
    }
    assert len(named) > 30
    assert {path for path in named if client.get(path).status_code != 200} == set()


def test_the_first_page_is_light() -> None:
    page = (FOLDER / "index.html").read_text()
    first = {
        FOLDER / path.removeprefix("/static/").removeprefix("/")
        for path in re.findall(r'(?:href|src)="(/[^"#]+\.\w+)"', page)
    }
    first |= {FOLDER / "index.html", FOLDER / "texts" / "photos.en.json"}
    assert sum(len(gzip.compress(path.read_bytes())) for path in first) <= 40_000


def test_photos_shared_too_early_lead_back_to_the_page(client: TestClient) -> None:
    answer = client.post("/share", files={"images": b"photo"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?shared=lost")


def test_limits_are_those_of_the_settings(client: TestClient, bench: Bench) -> None:
    limits = client.get("/v1/limits").json()
    assert limits == {name: getattr(bench.settings, name) for name in limits}
    assert {"max_upload_bytes", "retention_seconds"} <= limits.keys()


def test_paths_of_files_are_no_labels_of_metrics(client: TestClient) -> None:
    for name in ("texts.js", "photos/queue.js", "a/b/c/d/e"):
        client.get(f"/static/{name}")
    routes = {sample.labels["route"] for family in REQUESTS.collect() for sample in family.samples}
    assert {route for route in routes if route.startswith("/static")} == {"/static/{name:path}"}
