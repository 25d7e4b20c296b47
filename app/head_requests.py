"""Answers ``HEAD`` wherever there is ``GET``: the same answer without its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Middleware that answers ``HEAD`` like ``GET`` and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a ``HEAD`` as a ``GET``, and anything else unchanged."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not has_head(scope):
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, bodiless)


def has_head(scope: Mapping[str, Any]) -> bool:
    """Whether the path of ``scope`` allows ``HEAD``: a stream of events has no end to wait for."""
    return has_end(scope)


def has_end(scope: Mapping[str, Any]) -> bool:
    """Whether the answer to a request ends by itself: a stream of events may not."""
    return not str(scope["path"]).endswith("/events")
