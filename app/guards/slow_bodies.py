"""Answers a request whose body hardly moves with a problem, so that a trickle of bytes does not hold a place."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from app.contracts.problems import RequestTimeout

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SLOWEST: Final = 4_000
"""Bytes a second: a client that keeps this up, in either direction, is never cut off."""


class SlowBodies:
    """Middleware that waits for a body ``seconds`` longer than it takes at the slowest rate.

    Fast data does not buy silence later: nothing for ``seconds`` is always too long. Only waiting counts, not the time
    to process data. Once the body is complete, the rule no longer applies: a listener for the end of the connection may
    wait for ever.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a ``receive`` that gives up on a body that is too slow."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = self._seconds
        complete = False

        async def timed() -> Message:
            nonlocal left, complete
            if complete:
                return await receive()
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    message = await receive()
            except TimeoutError:
                raise RequestTimeout(
                    "The request body arrived too slowly. Try again with a better connection or a smaller file.",
                    headers={"Connection": "close"},
                ) from None
            earned = len(message.get("body", b"")) / SLOWEST
            left = min(self._seconds, left + earned - (time.monotonic() - began))
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, timed, send)
