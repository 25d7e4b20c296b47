"""A real browser on the pages: visits that notice errors and requests to other hosts, and the axe rules."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

PATIENCE_MS: Final = 120_000
"""For what a worker has to do first, beside other work."""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--no-first-run",
)
_AXE: Final = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
_REFUSED: Final = "Failed to load resource: the server responded with a status of "


def chromium() -> str | None:
    """The distribution's browser."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A browser that talks to nobody by itself."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield started
        started.close()


@dataclass
class Visit:
    """One page in a browser of its own. refusals: statuses the service may answer with in this visit."""

    url: str
    context: BrowserContext
    page: Page
    refusals: tuple[int, ...] = ()
    complaints: list[str] = field(default_factory=list)

    def notice(self) -> None:
        """Write down errors, and requests to other hosts."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.context.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((self.url, "blob:", "data:"))
                else self.complaints.append(f"left the host: {request.url}")
            ),
        )

    def _console(self, message: ConsoleMessage) -> None:
        # a browser reports every refused request, although the page deals with it
        expected = any(message.text.startswith(f"{_REFUSED}{status}") for status in self.refusals)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"{message.type}: {message.text}")

    def go(self, path: str = "/") -> Page:
        """Open a page and wait until it can be used."""
        self.page.goto(self.url + path)
        expect(self.page.locator("html[data-ready]")).to_be_attached()
        return self.page

    def violations(self) -> list[str]:
        """What axe finds on the page as it is, in light and in dark."""
        found: list[str] = []
        schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
        for scheme in schemes:
            self.page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {text}" for text in _axe(self.page)]
        return found


def _axe(page: Page) -> list[str]:
    # evaluated by the browser's tools, so that the page's own policy stays as it is
    result: dict[str, Any] = page.evaluate(_AXE + "; axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}" for one in result["violations"]]
