"""The host names the service answers to.

Without this check, any web page could point a name of its own at the service and, through a visitor's browser, read
what only that visitor can reach (DNS rebinding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.contracts.problems import Misdirected
from app.contracts.settings import parse_hosts
from app.problems import answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_FOR_ALL: Final = frozenset({"/livez", "/readyz"})
"""Monitoring asks for these under any name, and they reveal nothing."""


class Hosts:
    """Middleware that refuses requests for other names. allowed: as in the settings; ``None`` is any."""

    def __init__(self, app: ASGIApp, *, allowed: str | None) -> None:
        self._app = app
        self._allowed = parse_hosts(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request for one of the names."""
        if scope["type"] != "http" or not self._allowed or scope["path"] in _FOR_ALL or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        problem = Misdirected(
            "The service does not answer to this host name. POISE_ALLOWED_HOSTS lists the names it answers to."
        )
        await answer(problem)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        asked = next((value for name, value in scope["headers"] if name == b"host"), b"")
        name = name_of(asked.decode("latin-1"))
        return any(_fits(name, pattern) for pattern in self._allowed)


def name_of(host: str) -> str:
    """The name or address in a ``Host`` field, without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _fits(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
