"""Draw the two screenshots of the README: the page on which people protect photos, and that of administrators.

    .venv/bin/python -m benchmarks.draw_pages            # needs chromium; some minutes of two cores

With ``--at URL --key KEY`` on a service that runs, which keeps what was done on it: a photo, and a short training.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import skimage
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.service.helpers import running
from tests.service.helpers.browsing import browser, chromium

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
KEY: Final = "a-key-for-screenshots"
TARGETS: Final = ("stargan", "attentiongan")
TITLE: Final = "2 generators"
FACE: Final = (130, 0, 330, 200)
"""Where the astronaut's face is."""
_PATIENCE_MS: Final = 1_800_000
_MOST_BYTES: Final = 150_000


@contextmanager
def service(url: str | None) -> Iterator[str]:
    """The address of a service: the one that is named, or one of its own."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        started = running.start(Path(folder) / "var", POISE_ADMIN_KEYS=KEY, POISE_TRAINING_PRIORITY="normal")
        yield started.url
        started.stop()


def photos(page: Page, url: str) -> None:
    """A photo of a person, with its verdict."""
    page.goto(url)
    portrait = io.BytesIO()
    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as image:
        image.convert("RGB").crop(FACE).save(portrait, "JPEG", quality=92)
    photo = FilePayload(name="holiday.jpg", mimeType="image/jpeg", buffer=portrait.getvalue())
    page.locator("#file").set_input_files(photo)
    expect(page.locator('.photo[data-phase="done"]')).to_be_visible(timeout=_PATIENCE_MS)


def administration(page: Page, url: str, key: str) -> None:
    """A training that has ended; one is started where there is none."""
    page.goto(f"{url}/admin")
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator(".sheet").first).to_be_visible()
    ended = page.locator(".sheet", has=page.locator(".tag-good, .tag-warn")).filter(has_text=TITLE)
    page.wait_for_timeout(3000)  # those that have ended are listed by then
    if not ended.count():
        page.get_by_role("button", name="New training").click()
        expect(page.locator(".estimate")).to_contain_text("steps")
        for box in page.locator("input[name=targets]").all():
            box.set_checked(box.get_attribute("value") in TARGETS)
        page.get_by_role("button", name="Start the training").click()
    expect(ended.first).to_be_visible(timeout=_PATIENCE_MS)
    if not ended.first.locator(".chart canvas").count():
        ended.first.get_by_text("Charts", exact=True).click()
    expect(ended.first.locator(".chart canvas").first).to_be_visible()
    ended.first.evaluate("(sheet) => sheet.parentElement.replaceChildren(sheet)")


def draw(chrome: Browser, url: str, key: str) -> Iterator[tuple[str, bytes]]:
    """The pictures, as PNG, by name."""
    shows: dict[str, Callable[[Page], None]] = {
        "page": lambda page: photos(page, url),
        "admin": lambda page: administration(page, url, key),
    }
    for name, show in shows.items():
        page = chrome.new_page(viewport={"width": 1000, "height": 1120}, locale="en-GB")
        show(page)
        page.wait_for_timeout(1000)  # charts are drawn in a moment
        page.evaluate("window.scrollTo(0, 0)")
        yield name, page.screenshot()
        page.close()


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", help="address of a service that runs")
    parser.add_argument("--key", default=KEY, help="one of its administrators' keys")
    arguments = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("there is no chromium here; apt-get install chromium")
    with service(arguments.at) as url, browser(program) as chrome:
        for name, data in draw(chrome, url, arguments.key):
            path = IMAGES / f"{name}.webp"
            with Image.open(io.BytesIO(data)) as picture:
                picture.convert("RGB").save(path, quality=85, method=6)
            size = path.stat().st_size
            print(f"{path}: {size} bytes")
            assert size <= _MOST_BYTES


if __name__ == "__main__":
    main()
