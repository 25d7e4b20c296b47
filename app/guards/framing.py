"""Refuses requests whose end can be read in two ways (RFC 9112, section 6.1).

If a proxy reads one way and the service the other, part of a body can pass for another client's request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.contracts.problems import BadRequest
from app.problems import answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_CLOSE: Final = {"Connection": "close"}
"""What follows on this connection cannot be trusted."""


class Framing:
    """Middleware that answers such a request, and hangs up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose end is unambiguous."""
        problem = _doubtful(scope) if scope["type"] == "http" else None
        await (self._app if problem is None else answer(problem))(scope, receive, send)


def _doubtful(scope: Scope) -> BadRequest | None:
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return BadRequest("Send Content-Length or Transfer-Encoding, not both.", headers=_CLOSE)
    if scope["http_version"] == "1.0":
        return BadRequest("HTTP/1.0 does not support Transfer-Encoding. Send Content-Length.", headers=_CLOSE)
    return None
