"""Cuts connections on which nothing moves: a head that never ends, an answer that nobody reads.

Request bodies are the business of :mod:`app.guards.slow_bodies`, which can still answer. :mod:`app.guards.eviction`
cuts one when there are too many. A client that has sent its whole request and closed its side gets its answer.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.contracts.logs import event
from app.contracts.problems import BadRequest, Problem, Unavailable
from app.guards.eviction import OpenConnections
from app.guards.slow_bodies import SLOWEST
from app.head_requests import has_end
from app.problems import answer

if TYPE_CHECKING:
    import asyncio

    from app.guards.eviction import Awaited

_log = logging.getLogger(__name__)

_LINES: Final = 4_000
_LINE_BYTES: Final = 32
"""So many lines may come with a request, or more that are longer than this in the mean. Each piece of a body costs the
same, however small it is: in pieces of one byte, a quarter of a megabyte stops everybody for half a second."""
_LOOKS: Final = 5
"""How often a connection is checked before it is cut."""


def connections(seconds: float, *, most: int) -> type[H11Protocol]:
    """The protocol of up to ``most`` connections that may stand still for about ``seconds``; for uvicorn's ``http``."""

    class Chosen(TimedConnection):
        allowed = seconds
        present = OpenConnections(most)

    return Chosen


class TimedConnection(H11Protocol):
    """uvicorn's connection, checked regularly.

    allowed: seconds it may stand still. present: all open connections.
    """

    allowed: ClassVar[float]
    present: ClassVar[OpenConnections]
    _ended: bool = False
    _timer: asyncio.TimerHandle | None = None
    _idle_since: float = 0.0
    _received: int = 0
    _lines: int = 0
    _unsent: int = 0
    _stuck: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start checking, if there is a place."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        full = len(self.server_state.connections) > self.present.most
        if full:
            event(_log, "connections.full", level=logging.WARNING, most=self.present.most)
        if self.present.enter(self, now=self._idle_since):
            self._look_later()
        else:
            self._refuse(Unavailable("Too many clients are connected. Try again later.", headers={"Retry-After": "5"}))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
        self.present.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that data arrives. Refuse data in tiny pieces before it is parsed."""
        self._received += len(data)
        self._lines += data.count(b"\r\n")
        if self._lines > _LINES and self._received < self._lines * _LINE_BYTES:
            self._refuse_or_abort(BadRequest("The request arrives in too many small pieces. Send larger chunks."))
            return
        super().data_received(data)
        self._note_what_is_awaited()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answer to a request that is complete; a stream of events ends with its listener."""
        self._ended = True
        asked = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        return asked and has_end(self.cycle.scope)

    def on_response_complete(self) -> None:
        """Note when the wait for the next request began; hang up if there will be none."""
        self._idle_since = self.loop.time()
        self._received = self._lines = 0
        super().on_response_complete()
        over = self.cycle.response_complete and (self._ended or self._keeps_its_body())
        if over and not self.transport.is_closing():
            self.transport.close()
        self._note_what_is_awaited()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, for people who read its log
        """Answer anything but HTTP with a problem, and hang up. The answer repeats nothing of it."""
        self._refuse_or_abort(
            BadRequest("This is not a valid HTTP request. Check its request line, headers and chunks.")
        )

    def cut(self) -> None:
        """End, so that others get the place."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse_or_abort(self, problem: Problem) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(problem)
        else:  # in the middle of another answer
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        said = answer(problem)
        headers = [*said.raw_headers, (b"connection", b"close")]
        reason = HTTPStatus(said.status_code).phrase.encode()
        for part in (
            h11.Response(status_code=said.status_code, headers=headers, reason=reason),
            h11.Data(data=bytes(said.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _keeps_its_body(self) -> bool:
        """Whether the client asked before it sent a body, and may well keep it now: what follows could be either."""
        return self.cycle.more_body and any(name == b"expect" for name, _ in self.headers)

    def _note_what_is_awaited(self) -> None:
        self.present.awaits(self, self._awaited(), now=self.loop.time())

    def _awaited(self) -> Awaited | None:
        """What the service is waiting for."""
        if self.transport.get_write_buffer_size():
            return "move"
        if self.cycle is None or self.cycle.response_complete:
            return "head"
        return "move" if self.cycle.more_body else None

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(self.allowed / _LOOKS, self._look)

    def _look(self) -> None:
        if self._waits_for_a_head() or self._is_not_read():
            self.transport.abort()
            return
        if not self._stuck:
            self._note_what_is_awaited()
        self._look_later()

    def _waits_for_a_head(self) -> bool:
        """Whether no request has come for too long. Between requests, uvicorn's own limit comes first."""
        between = self.cycle is not None
        if between and not self.cycle.response_complete:
            return False
        if self.transport.get_write_buffer_size():  # to uvicorn an answer is complete when it was handed over
            self._idle_since = self.loop.time()
        allowed = self.allowed + (self.timeout_keep_alive if between else 0)
        return self.loop.time() - self._idle_since > allowed

    def _is_not_read(self) -> bool:
        """Whether the client has hardly read anything for too long."""
        unsent = self.transport.get_write_buffer_size()
        moves = unsent < max(1, self._unsent - SLOWEST * self.allowed / _LOOKS)
        self._stuck = 0 if moves else self._stuck + 1
        self._unsent = unsent
        return self._stuck > _LOOKS
