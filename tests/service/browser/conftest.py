"""Visits to the pages of the shared service, in the distribution's Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.service.helpers.browsing import PATIENCE_MS, Visit, browser, chromium
from tests.service.helpers.running import Running

Visits = Callable[..., Visit]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """The browser. Ended with the module: while it runs, nothing else in this process can use asyncio."""
    program = chromium()
    if program is None:
        pytest.skip("there is no chromium here; apt-get install chromium")
    expect.set_options(timeout=15_000)
    with browser(program) as started:
        yield started


@pytest.fixture
def visits(chrome: Browser, service: Running) -> Iterator[Visits]:
    """Makes visits. None may end with an error, or have asked another host for anything."""
    made: list[Visit] = []

    def visit(*, refusals: tuple[int, ...] = (), **options: Any) -> Visit:
        context = chrome.new_context(**{"locale": "en-GB", "viewport": {"width": 1000, "height": 800}, **options})
        context.set_default_timeout(PATIENCE_MS / 4)
        made.append(Visit(service.url, context, context.new_page(), refusals))
        made[-1].notice()
        return made[-1]

    yield visit
    complaints = [text for one in made for text in one.complaints]
    for one in made:
        one.context.close()
    assert complaints == []
