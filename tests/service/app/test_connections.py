"""Many idle connections: clients with requests are answered, and the log stays small."""

from __future__ import annotations

import io
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.helpers.waiting import until
from tests.service.helpers.lone_front_end import Alone, alone, crowd, trickling

HALF_A_HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
NO_BODY = (
    b"POST /v1/protections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
)
MANY = 700
SOON = 5.0
SMALL = 20_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts this process's files as Linux does")


@pytest.fixture(autouse=True)
def _room_for_the_crowd() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * MANY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * MANY), hard))


def photo() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(data, "PNG")
    return data.getvalue()


def asked(front: Alone) -> float:
    """The longest that a new client waits for any of a few answers."""
    url = f"http://127.0.0.1:{front.port}"
    longest = 0.0
    for _ in range(5):
        began = time.monotonic()
        assert httpx.get(f"{url}/livez", timeout=30).status_code == 200
        between = time.monotonic()
        assert httpx.post(f"{url}/v1/protections", files={"image": ("a", photo())}, timeout=30).status_code == 202
        longest = max(longest, between - began, time.monotonic() - between)
    return longest


@pytest.fixture(scope="module")
def hard_limit(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A front end that can open 256 files."""
    with alone(redis_url, tmp_path_factory.mktemp("front"), files=(256, 256)) as front:
        yield front


def answers(front: Alone) -> bool:
    """Whether it takes another connection."""
    try:
        return front.client.get("/livez").is_success
    except httpx.TransportError:
        return False


def stops_nobody(front: Alone, says: bytes) -> None:
    before = front.log.stat().st_size
    with crowd(front, MANY, says):
        if says is NO_BODY:  # a body may pause for a moment
            time.sleep(1.1)
        assert asked(front) < SOON
    assert asked(front) < SOON
    assert front.log.stat().st_size - before < SMALL, front.log.read_text()[before:][:2000]


@pytest.mark.parametrize("says", [HALF_A_HEAD, b"", NO_BODY], ids=["half a head", "nothing", "no body"])
def test_those_who_wait_stop_nobody(hard_limit: Alone, says: bytes) -> None:
    stops_nobody(hard_limit, says)


def test_a_soft_limit_is_raised_for_those_who_wait(redis_url: str, tmp_path: Path) -> None:
    with alone(redis_url, tmp_path, files=(256, 4096)) as front:
        stops_nobody(front, HALF_A_HEAD)


def test_a_full_house_says_so(redis_url: str, tmp_path: Path) -> None:
    """No connection is cut whose request is being answered or whose body is arriving."""
    with alone(redis_url, tmp_path, POISE_MAX_CONNECTIONS="10") as front:
        with crowd(front, 10, NO_BODY) as lines, trickling(lines):
            time.sleep(1.1)  # by now all of them are known to be in the middle of something
            with front.connected() as late:
                late.settimeout(10)
                late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                said = late.recv(4096)
        assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 5" in said
        # those who left make room as soon as the front end has seen them go
        until(lambda: answers(front))
        assert "connections.full" in front.log.read_text()


def test_bad_requests_do_not_fill_the_log(hard_limit: Alone) -> None:
    before = hard_limit.log.stat().st_size
    for _ in range(300):
        with hard_limit.connected() as line:
            line.sendall(b"nonsense\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 400")
    assert hard_limit.log.stat().st_size - before < SMALL
