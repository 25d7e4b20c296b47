"""Connections that are cut where nothing moves on them: a head that never ends, an answer that nobody takes.

Bodies of requests are :mod:`app.patience`'s concern, which can still answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.contracts.problems import BadRequest
from app.patience import SLOWEST
from app.problems import answer

if TYPE_CHECKING:
    import asyncio

_LOOKS: Final = 5
"""How often a connection is looked at before patience with it ends."""


def connections(seconds: float) -> type[H11Protocol]:
    """The protocol of connections that may stand still for about ``seconds``; for uvicorn's ``http``."""

    class Chosen(PatientConnection):
        allowed = seconds

    return Chosen


class PatientConnection(H11Protocol):
    """uvicorn's connection, looked at every now and then. allowed: seconds it may stand still."""

    allowed: ClassVar[float] = 20.0
    _timer: asyncio.TimerHandle | None = None
    _idle_since: float = 0.0
    _unsent: int = 0
    _stuck: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Note when the wait for the next request began."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, for people who read its log
        """Answer what is no HTTP with a problem like any other, and hang up; nothing of it is repeated."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # in the middle of another answer
            self.transport.abort()
            return
        said = answer(BadRequest("This is no HTTP request that can be read; look at how it is put together."))
        headers = [*said.raw_headers, (b"connection", b"close")]
        for part in (
            h11.Response(status_code=said.status_code, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(said.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(self.allowed / _LOOKS, self._look)

    def _look(self) -> None:
        if self._waits_for_a_head() or self._is_not_read():
            self.transport.abort()
        else:
            self._look_later()

    def _waits_for_a_head(self) -> bool:
        """Whether nothing was asked for too long; between requests uvicorn's own limit comes first."""
        between = self.cycle is not None
        if between and not self.cycle.response_complete:
            return False
        if self.transport.get_write_buffer_size():  # to uvicorn an answer is complete when it was handed over
            self._idle_since = self.loop.time()
        allowed = self.allowed + (self.timeout_keep_alive if between else 0)
        return self.loop.time() - self._idle_since > allowed

    def _is_not_read(self) -> bool:
        """Whether what is to be sent has hardly shrunk for too long."""
        unsent = self.transport.get_write_buffer_size()
        moves = unsent < max(1, self._unsent - SLOWEST * self.allowed / _LOOKS)
        self._stuck = 0 if moves else self._stuck + 1
        self._unsent = unsent
        return self._stuck > _LOOKS
