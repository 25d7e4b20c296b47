"""What is read of a request, and where it ends, byte by byte."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from app.guards.hosts import name_of
from tests.service.app.test_answers import encoded, upload
from tests.service.conftest import Bench
from tests.service.helpers.front_end import serving

FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
HIDDEN = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


def body(photo: bytes | None = None) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return head + (photo or encoded()) + b"\r\n--b--\r\n"


def chunked(data: bytes, *, trailers: bytes = b"") -> bytes:
    return b"%x;ext=1\r\n%b\r\n0\r\n%b\r\n" % (len(data), data, trailers)


def post(*lines: bytes, version: bytes = b"1.1") -> bytes:
    extra = b"".join(line + b"\r\n" for line in lines)
    return b"POST /v1/protections HTTP/" + version + b"\r\nHost: a\r\n" + FORM + extra + b"\r\n"


@contextmanager
def line_to(client: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), 20) as line:
        yield line


def everything(line: socket.socket) -> bytes:
    """What is said until the other side hangs up."""
    said = b""
    while part := line.recv(65536):
        said += part
    return said


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


@pytest.mark.parametrize(
    "request_",
    [
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n",
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        post(b"Transfer-Encoding: chunked", version=b"1.0") + b"0\r\n\r\n",
        post(b"Content-Length: 5", b"Content-Length: 6") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        post(b"Transfer-Encoding : chunked") + b"0\r\n\r\n",
    ],
)
def test_a_request_that_ends_in_two_places_is_refused_and_nothing_after_it_is_read(
    bench: Bench, request_: bytes
) -> None:
    with serving(bench) as client, line_to(client) as line:
        line.sendall(request_ + HIDDEN)
        said = everything(line)
        assert statuses(said) == [400]
        assert b"/problems/bad-request" in said


def test_no_answer_is_left_to_guess_at(bench: Bench) -> None:
    with serving(bench, admin_keys="a-key-that-nobody-guesses", allowed_hosts="127.0.0.1") as client:
        accepted = upload(client, encoded())
        here = accepted.headers["Location"]
        found = bench.jobs.find(accepted.json()["id"])
        assert found is not None
        bench.stages.protect(found.job_id, bench.perturbation)
        paths = ["/", "/page.js", "/livez", "/openapi.json", "/nothing", here, f"{here}/image", "/v1/admin/trainings"]
        answers = [accepted, *map(client.get, paths), client.head(here), client.put(here)]
        answers.append(client.get("/", headers={"Host": "elsewhere"}))
        assert {answer.headers.get("X-Content-Type-Options") for answer in answers} == {"nosniff"}
        with line_to(client) as line:
            line.sendall(b"nonsense\r\n\r\n")
            assert b"\r\nx-content-type-options: nosniff\r\n" in everything(line).lower()


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (None, "anything", 200),
        ("*", "anything", 200),
        ("poise.example.org", "Poise.Example.org.:8000", 200),
        ("poise.example.org", "example.org", 421),
        ("poise.example.org", "poise.example.org.evil.example", 421),
        ("*.example.org", "poise.example.org", 200),
        ("*.example.org", "example.org", 421),
        ("a.example, [::1]", "[::1]:8000", 200),
        ("localhost,127.0.0.1", "127.0.0.1:1", 200),
        ("localhost,127.0.0.1", "rebound.example:8000", 421),
    ],
)
def test_only_allowed_names_are_answered_to(bench: Bench, allowed: str | None, host: str, status: int) -> None:
    with serving(bench, allowed_hosts=allowed) as client:
        answer = client.get("/openapi.json", headers={"Host": host})
        assert answer.status_code == status
        if status == 421:
            assert answer.json()["type"] == "/problems/misdirected"
            assert host not in answer.text
        assert client.get("/livez", headers={"Host": host}).status_code == 200


def test_names_come_without_ports() -> None:
    assert [name_of(host) for host in ("A:80", "[::1]:80", "[::1]", "a.", "")] == ["a", "::1", "::1", "a", ""]


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", [200]),
        (b"GET /livez HTTP/1.0\r\n\r\n", [200]),
        (post(b"Content-Length: %d" % len(body())) + body(), [202]),
        (post(b"Transfer-Encoding: chunked") + chunked(body()), [202]),
        (2 * (post(b"Content-Length: %d" % len(body())) + body()) + HIDDEN, [202, 202, 200]),
        (post(b"Content-Length: %d" % len(body()), b"Prefer: wait=1") + body(), [202]),
    ],
)
def test_whoever_has_sent_all_and_closed_their_side_is_answered(
    bench: Bench, request_: bytes, wanted: list[int]
) -> None:
    with serving(bench) as client, line_to(client) as line:
        line.sendall(request_)
        line.shutdown(socket.SHUT_WR)
        assert statuses(everything(line)) == wanted


@pytest.mark.parametrize("request_", [b"", b"GET /livez HT", post(b"Content-Length: 100") + b"--b\r\n"])
def test_whoever_closes_too_early_is_gone(bench: Bench, request_: bytes) -> None:
    with serving(bench) as client, line_to(client) as line:
        line.sendall(request_)
        line.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert everything(line) == b""
        assert time.monotonic() - began < 10


def test_events_end_with_their_listener(bench: Bench) -> None:
    with serving(bench) as client, line_to(client) as line:
        here = upload(client, encoded()).headers["Location"].encode()
        line.sendall(b"GET " + here + b"/events HTTP/1.1\r\nHost: a\r\n\r\n")
        assert line.recv(100)
        line.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        everything(line)
        assert time.monotonic() - began < 10


def test_trailers_are_passed_over(bench: Bench) -> None:
    with serving(bench) as client, line_to(client) as line:
        line.sendall(
            post(b"Transfer-Encoding: chunked", b"Trailer: X-Sum") + chunked(body(), trailers=b"X-Sum: 1\r\n") + HIDDEN
        )
        line.shutdown(socket.SHUT_WR)
        assert statuses(everything(line)) == [202, 200]


def test_whoever_asks_first_is_told_to_go_on_or_why_not(bench: Bench) -> None:
    with serving(bench, max_upload_bytes=100_000) as client:
        for size, wanted in ((len(body()), [100, 202]), (10_000_000, [413])):
            with line_to(client) as line:
                line.sendall(post(b"Content-Length: %d" % size, b"Expect: 100-continue", b"Connection: close"))
                said = line.recv(4096)
                if wanted[0] == 100:
                    line.sendall(body())
                    said += everything(line)
                assert statuses(said) == wanted


def test_many_headers_are_read_and_too_many_refused(bench: Bench) -> None:
    with serving(bench) as client:
        assert client.get("/livez", headers={f"x-{i}": "1" for i in range(500)}).status_code == 200
        with line_to(client) as line:
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"".join(b"x-%d: 1\r\n" % i for i in range(3000)))
            assert statuses(everything(line)) == [400]


def test_bodies_in_crumbs_are_refused(bench: Bench) -> None:
    with serving(bench) as client:
        for size, wanted in ((1, 400), (100, 202)):
            pieces = [body(encoded(size=(300, 200)) + bytes(20_000))]
            pieces = [pieces[0][at : at + size] for at in range(0, len(pieces[0]), size)]
            with line_to(client) as line:
                with suppress(ConnectionError):  # it hangs up as soon as it has seen enough
                    line.sendall(post(b"Transfer-Encoding: chunked", b"Connection: close"))
                    line.sendall(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")
                began = time.process_time()
                with suppress(ConnectionError):
                    assert statuses(everything(line)) == [wanted]
                assert time.process_time() - began < 1.0


def test_many_small_requests_on_one_connection_are_no_crumbs(bench: Bench) -> None:
    with serving(bench) as client, line_to(client) as line:
        for _ in range(30):
            line.sendall(50 * HIDDEN)
            said = b""
            while said.count(b'"alive"}') < 50:
                said += line.recv(65536)
            assert statuses(said) == 50 * [200]
