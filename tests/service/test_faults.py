"""Slow clients, a full disk, and what is killed while something is under way: others go on, and nothing is left."""

from __future__ import annotations

import io
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.helpers.waiting import until
from tests.service.conftest import ADMIN_KEY
from tests.service.helpers.damaged_uploads import stored
from tests.service.helpers.disk import fill
from tests.service.helpers.killing import kill, ready
from tests.service.helpers.lives import STALL_SECONDS, Lives
from tests.service.helpers.running import Running

PATIENCE = 240.0
HEAD = (
    b"POST /v1/protections HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 1000000\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
)


@pytest.fixture
def run(lives: Lives) -> Running:
    """A service that is quick to lose patience; its data lie on a small disk."""
    return lives.now


def connected(run: Running, *, take: int | None = None) -> socket.socket:
    """A connection of our own making. take: bytes it takes at a time."""
    address = urlsplit(run.url)
    connection = socket.socket()
    if take is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, take)
    connection.connect((str(address.hostname), address.port or 80))
    connection.settimeout(PATIENCE)
    return connection


def uploaded(run: Running) -> dict[Path, set[str]]:
    """The names of files in the storage, by the folder of their photo or data set, and those not yet in a folder."""
    storage = run.data_dir / "storage"
    found: dict[Path, set[str]] = {}
    for path in stored(run):
        kind, *rest = path.relative_to(storage).parts
        if kind in ("photos", "datasets", ".partial"):
            found.setdefault(storage / kind / rest[0], set()).add(path.name)
    return found


def new_names(run: Running, before: dict[Path, set[str]]) -> list[set[str]]:
    """What each upload since ``before`` has left. Tests share the service: it may still be scoring older photos."""
    return [names for folder, names in uploaded(run).items() if folder not in before]


def received(connection: socket.socket) -> bytes:
    """Everything until the end of the connection, however it ends."""
    data = bytearray()
    try:
        while piece := connection.recv(65_536):
            data += piece
    except ConnectionError:
        pass
    return bytes(data)


def noise(width: int, height: int) -> bytes:
    """A picture whose size nothing reduces."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=0)
    return written.getvalue()


@pytest.mark.slow
def test_slow_senders_are_cut_off_and_hold_up_nobody(run: Running, astronaut_png: bytes) -> None:
    before = uploaded(run)
    with connected(run) as silent, connected(run) as dribbling, connected(run) as headless:
        silent.sendall(HEAD)
        dribbling.sendall(HEAD)
        headless.sendall(b"GET /livez HT")
        began = time.monotonic()
        dribbling.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - began < PATIENCE:
            dribbling.sendall(b"x")
            try:
                answer = dribbling.recv(65_536)
            except TimeoutError:
                continue
        assert time.monotonic() - began >= STALL_SECONDS * 0.9
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
        assert received(silent).startswith(b"HTTP/1.1 408 ")
        assert received(headless) == b""
    # with as many of them as a small server has threads, a photo is protected as ever
    slow = [connected(run) for _ in range(60)]
    try:
        for one in slow:
            one.sendall(HEAD)
        assert run.settled(run.accepted(astronaut_png, scores="false"), seconds=PATIENCE)["status"] == "protected"
    finally:
        for one in slow:
            one.close()
    # of what was cut off nothing is kept; the original of the photo is erased just after its report says so
    until(lambda: new_names(run, before) == [{"protected"}], seconds=30.0)


@pytest.mark.slow
def test_a_slow_but_steady_sender_is_served(run: Running, astronaut_png: bytes) -> None:
    """Longer than patience lasts for nothing, but no slower than a poor connection is."""
    tail = b'\r\n--b\r\nContent-Disposition: form-data; name="scores"\r\n\r\nfalse\r\n--b--\r\n'
    body = HEAD.partition(b"\r\n\r\n")[2] + astronaut_png + tail
    head = HEAD.partition(b"\r\n\r\n")[0].replace(b"1000000", str(len(body)).encode()) + b"\r\n\r\n"
    pieces = 12
    size = -(-len(body) // pieces)
    with connected(run) as steady:
        steady.sendall(head)
        for i in range(pieces):
            time.sleep(STALL_SECONDS / 6)
            steady.sendall(body[i * size : (i + 1) * size])
        assert steady.recv(65_536).startswith(b"HTTP/1.1 202 ")


@pytest.mark.slow
def test_who_does_not_read_is_cut_off_and_holds_up_nobody(run: Running) -> None:
    photo = noise(2000, 1500)
    here = run.accepted(photo, scores="false")
    assert run.settled(here, seconds=PATIENCE)["status"] == "protected"
    size = len(run.client.get(f"{here}/image").content)
    with connected(run, take=4096) as idle:
        idle.sendall(f"GET {here}/image HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(STALL_SECONDS * 5)
        assert run.client.get("/livez").status_code == 200
        assert len(received(idle)) < size, "what nobody takes is not kept for ever"
    assert run.client.delete(here).status_code == 204


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="files without names are Linux's")
def test_an_upload_dies_with_the_front_end(run: Running, astronaut_png: bytes) -> None:
    before = uploaded(run)
    with connected(run) as photo, connected(run) as dataset:
        photo.sendall(HEAD + astronaut_png[:50_000])
        dataset.sendall(
            b"POST /v1/admin/datasets?name=cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/zip\r\n"
            b"X-API-Key: " + ADMIN_KEY.encode() + b"\r\nContent-Length: 1000000\r\n\r\n" + bytes(100_000)
        )
        until((run.data_dir / "incoming").is_dir)
        time.sleep(0.5)
        assert kill(run, "api")
        assert received(photo) == received(dataset) == b""
    until(lambda: ready(run.url))
    assert new_names(run, before) == []
    assert list((run.data_dir / "incoming").iterdir()) == []
    assert run.settled(run.accepted(astronaut_png, scores="false"), seconds=PATIENCE)["status"] == "protected"


@pytest.mark.slow
def test_a_scorer_that_is_killed_loses_no_scores(run: Running, astronaut_png: bytes) -> None:
    accepted = [run.accepted(astronaut_png) for _ in range(3)]
    until(lambda: run.report(accepted[0])["status"] in ("protected", "scored"))
    assert kill(run, "child", "score")
    assert {run.settled(here, seconds=PATIENCE)["status"] for here in accepted} == {"scored"}


@pytest.mark.slow
def test_a_full_disk_refuses_new_photos_and_keeps_the_old(lives: Lives, run: Running, astronaut_png: bytes) -> None:
    disk = lives.disk
    if disk is None:
        pytest.skip("no file system can be mounted here")
    until(lambda: ready(run.url))
    kept = run.accepted(astronaut_png, scores="false")
    assert run.settled(kept, seconds=PATIENCE)["status"] == "protected"
    copy = run.client.get(f"{kept}/image").content
    unwanted = run.accepted(astronaut_png, scores="false")
    assert run.settled(unwanted, seconds=PATIENCE)["status"] == "protected"
    files = uploaded(run)
    filler = disk / "filler"
    fill(filler)
    answers = [run.upload(astronaut_png) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["Content-Type"] == "application/problem+json" for answer in answers)
    assert new_names(run, files) == [], "half a photo was left"
    assert run.client.get("/readyz").status_code == 503
    assert run.client.get(f"{kept}/image").content == copy
    until(lambda: run.client.delete(unwanted).status_code == 204, seconds=30)
    assert run.client.get(unwanted).status_code == 404
    assert run.client.get("/readyz").status_code == 503, "what room was kept is not for photos"
    filler.unlink()
    until(lambda: ready(run.url))
    assert run.settled(run.accepted(astronaut_png, scores="false"), seconds=PATIENCE)["status"] == "protected"
    assert run.client.get(f"{kept}/image").content == copy
