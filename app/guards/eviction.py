"""Decides who is cut off when there are too many connections: the client that has kept the service waiting longest.

A silent connection costs its client nothing. Clients whose request is being answered are never cut off, so a new client
gets in as long as any other is idle.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

Awaited = Literal["head", "move"]
"""What a connection keeps the service waiting for: the head of a request; the next bytes of a body, or of an answer
to be taken."""

_HEAD_SECONDS: Final = 1.0
"""The head of a request has this long to arrive before others may take its place."""
_MOVE_SECONDS: Final = 1.0
"""A transfer may pause this long."""


class Connection(Protocol):
    """A connection."""

    def cut(self) -> None:
        """End at once."""


class OpenConnections:
    """The connections of one server; only for use inside its event loop. most: how many there may be."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._connections: set[Connection] = set()
        # in the order in which they began to wait: times never go back
        self._waiting: dict[Awaited, dict[Connection, float]] = {"head": {}, "move": {}}

    def enter(self, connection: Connection, *, now: float) -> bool:
        """Admit a connection, in place of another if necessary. Returns whether there was a place."""
        if len(self._connections) >= self.most:
            other = self._first_to_cut(now)
            if other is None:
                return False
            self.leave(other)
            other.cut()
        self._connections.add(connection)
        self._waiting["head"][connection] = now
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        for waiting in self._waiting.values():
            waiting.pop(connection, None)

    def awaits(self, connection: Connection, what: Awaited | None, *, now: float) -> None:
        """Note what the service waits for, if anything. The wait starts again whenever data moves."""
        if connection not in self._connections:
            return
        for kind, waiting in self._waiting.items():
            if kind != what or what == "move":
                waiting.pop(connection, None)
        if what is not None:
            self._waiting[what].setdefault(connection, now)

    def _first_to_cut(self, now: float) -> Connection | None:
        """Slow heads first, then stalled transfers, then heads that may still come; never a moving transfer."""
        heads, moves = self._waiting["head"], self._waiting["move"]
        for waiting, seconds in ((heads, _HEAD_SECONDS), (moves, _MOVE_SECONDS), (heads, 0.0)):
            first = next(iter(waiting), None)
            if first is not None and now - waiting[first] >= seconds:
                return first
        return None
