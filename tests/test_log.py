"""The log is one line per entry, and every entry is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
ENTRIES = sorted((DOCS / "log").glob("*.md"))
LINES = re.findall(r"^\| (\S+) \| (.+) \| \[(.+)\]\(log/(.+)\) \|$", (DOCS / "LOG.md").read_text(), re.MULTILINE)


def test_every_entry_is_listed_once_and_the_newest_first() -> None:
    assert sorted(name for *_, name in LINES) == [path.name for path in ENTRIES]
    dates = [date for date, *_ in LINES]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize(("date", "verdict", "title", "name"), LINES, ids=[name for *_, name in LINES])
def test_heading_agrees_with_the_line(date: str, verdict: str, title: str, name: str) -> None:
    negative = verdict.startswith("**Negative.** ")
    heading = (DOCS / "log" / name).read_text().splitlines()[0]
    assert name.startswith(f"{date}-")
    assert heading == f"# {date}: {title}" + (" (negative)" if negative else "")
