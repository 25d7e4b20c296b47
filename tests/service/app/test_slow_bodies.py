"""Bodies that hardly move are cut off, however fast they began; steady ones are not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.contracts.problems import RequestTimeout
from app.guards.slow_bodies import SLOWEST, SlowBodies

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

SECONDS = 0.4


def sent(*pieces: tuple[float, int]) -> int:
    """How many bytes arrive of pieces that come after some seconds each."""
    arrived = 0
    coming = iter(pieces)

    async def reader(_: Scope, receive: Receive, __: Send) -> None:
        nonlocal arrived
        more = True
        while more:
            message = await receive()
            arrived += len(message["body"])
            more = message["more_body"]

    async def receive() -> Message:
        pause, size = next(coming)
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": bytes(size), "more_body": size > 0}

    async def send(_: Message) -> None: ...

    asyncio.run(SlowBodies(reader, seconds=SECONDS)({"type": "http"}, receive, send))
    return arrived


def test_a_quick_beginning_buys_no_silence() -> None:
    with pytest.raises(RequestTimeout):
        sent((0, 1_000_000), (5 * SECONDS, 0))


def test_pauses_within_the_limit_are_free_after_enough_bytes() -> None:
    pieces = [(SECONDS / 2, int(SLOWEST * SECONDS))] * 6
    assert sent(*pieces, (0, 0)) == 6 * int(SLOWEST * SECONDS)


def test_next_to_nothing_is_too_little_in_the_long_run() -> None:
    with pytest.raises(RequestTimeout):
        sent(*[(SECONDS / 4, 10)] * 20, (0, 0))
