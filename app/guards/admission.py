"""Limits the memory that all uploads in progress take together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.contracts.problems import Unavailable

if TYPE_CHECKING:
    from starlette.requests import Request


class UploadMemory:
    """The memory that requests share; only for use inside the event loop. most: bytes they may hold together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """The share of one request, until the block ends."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.held


class Share:
    """The memory of one request. Requests are refused, not made to wait: waiting ones would hold memory."""

    def __init__(self, memory: UploadMemory) -> None:
        self.held = 0
        self._memory = memory

    def take(self, count: int) -> None:
        """Hold ``count`` more bytes. A single request always may, or the largest photos could never be sent.

        Raises:
            Unavailable: there is not enough memory.
        """
        others = self._memory.held - self.held
        if others and self._memory.held + count > self._memory.most:
            raise Unavailable(
                "Too many photos are arriving right now. Try again in a few seconds.", headers={"Retry-After": "5"}
            )
        self.held += count
        self._memory.held += count


def upload_memory_of(request: Request) -> UploadMemory:
    """The one of this application."""
    found: UploadMemory = request.app.state.upload_memory
    return found
