"""Links in the documents lead somewhere, and the page on the architecture names files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "perturbations").rglob("*.md")])


def anchors(path: Path) -> set[str]:
    """What links to a heading of a document end in."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_a_photo_passes_at_most_eight_places() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    way = text[text.index("**A photo**") : text.index("**A training**")]
    assert 0 < len(re.findall(r"^\d+\. ", way, re.MULTILINE)) <= 8


def test_the_house_is_where_the_page_says() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    paths = re.findall(r"`((?:app|worker|perturbations|tests|benchmarks)/[\w./]*)`", text)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
