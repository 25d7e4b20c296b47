"""Refuses parameters of a query that a route does not have: an option put there would be ignored without a word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from fastapi import Request

from app.contracts.problems import Unprocessable
from app.guards.forms import drain

_DRAINED: Final = 100_000_000
"""Bytes of a body that are taken so that its sender reads the answer."""


def only(known: Collection[str] = (), *, advice: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets only the ``known`` parameters pass. advice: a sentence that says where options belong.

    Raises:
        Unprocessable: there is another one. What it is called is not repeated: it may hold anything.
    """

    async def check(request: Request) -> None:
        if request.query_params.keys() - set(known):
            await drain(request, _DRAINED)
            raise Unprocessable(f"The query of the address has a parameter that is not known here. {advice}")

    return check


def in_the_document() -> Callable[[Request], Awaitable[None]]:
    """For a route that takes a JSON document."""
    return only(advice="What you want belongs in the JSON document.")


def nowhere() -> Callable[[Request], Awaitable[None]]:
    """For a route that takes no options."""
    return only(advice="This request has no options; send it without a query.")
