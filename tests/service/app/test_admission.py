"""What photos take in memory while they arrive is limited; one that is alone always finds memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from app.contracts.problems import Unavailable
from app.guards.admission import UploadMemory
from app.main import create_app
from tests.service.conftest import Bench

HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def upload(client: httpx.AsyncClient, photo: bytes, **headers: str) -> Awaitable[httpx.Response]:
    return client.post("/v1/protections", files={"image": ("a.png", photo)}, headers=headers)


async def until(that: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not that():  # noqa: ASYNC110 - what is waited for cannot tell
            await asyncio.sleep(0.01)


def front_end(bench: Bench, most: int) -> tuple[httpx.AsyncClient, UploadMemory]:
    """A front end that holds at most so many bytes of photos."""
    app = create_app(bench.settings.model_copy(update={"max_arriving_bytes": most}))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://poise"), app.state.upload_memory


def test_shares_are_given_back_and_one_alone_is_never_refused() -> None:
    memory = UploadMemory(10)
    with memory.share() as one, memory.share() as other:
        one.take(8)
        with pytest.raises(Unavailable):
            other.take(3)
        other.take(2)
        with pytest.raises(Unavailable):
            one.take(1)
    assert memory.held == 0
    with memory.share() as alone:
        alone.take(20)


def test_photos_beyond_the_room_are_refused_until_others_have_arrived(bench: Bench, astronaut_png: bytes) -> None:
    async def scenario() -> None:
        rest = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield HEAD + astronaut_png
            await rest.wait()
            yield TAIL

        client, memory = front_end(bench, len(astronaut_png) + 1000)
        async with client:
            form = {"Content-Type": "multipart/form-data; boundary=b"}
            first = asyncio.create_task(client.post("/v1/protections", content=slowly(), headers=form))
            await until(lambda: memory.held == len(astronaut_png))
            refused = await upload(client, astronaut_png)
            assert refused.status_code == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert int(refused.headers["Retry-After"]) > 0
            assert (await client.post("/v1/batches", files={"images": ("a.png", astronaut_png)})).status_code == 503
            assert bench.jobs.leases.count() == 0
            rest.set()
            assert (await first).status_code == 202
            assert memory.held == 0
            assert (await upload(client, astronaut_png)).status_code == 202

    asyncio.run(scenario())


def test_who_waits_for_the_copy_holds_nothing(bench: Bench, astronaut_png: bytes) -> None:
    async def scenario() -> None:
        client, memory = front_end(bench, 1)
        async with client:
            waiting = asyncio.ensure_future(upload(client, astronaut_png, Prefer="wait=2"))
            await until(lambda: bench.jobs.leases.count() == 1 and memory.held == 0)
            assert not waiting.done()
            assert (await waiting).status_code == 202

    asyncio.run(scenario())
