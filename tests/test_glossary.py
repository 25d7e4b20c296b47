"""The glossary's words are the ones in use, and wording that readers stumbled over does not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
ROWS = re.findall(r"^\| \*\*([^*]+)\*\*[^|]*\| (.+) \|$", GLOSSARY.read_text(), re.MULTILINE)

DOCUMENTS = [
    path
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "perturbations").rglob("*.md")])
    if "log" not in path.relative_to(ROOT).parts and path.name != "LOG.md"
]
CODE = [path for part in ("app", "perturbations", "worker") for path in sorted((ROOT / part).rglob("*.py"))]

UNIDIOMATIC = (
    "in our reading of it",
    "keep score",
    "keeps score",
    "keeping score",
    "hopeless",
    "whoever was to do that",
    "who is alone always may",
    "although it was tried several times",
    "is no http request that can be read",
    "nobody may",
    "a model of our own",
    "where there are no others",
    "told in two ways",
    "answer to any",
    "whosever they are",
    "after all is answered",
    "for granted",
    "means harm",
    "whoever adds",
)
"""Each was in Poise once. In lower case, and with single spaces."""


def plain(text: str) -> str:
    """Lower case, and one space where there are many or the line ends."""
    return " ".join(text.lower().split())


def told(path: Path) -> Iterator[str]:
    """The docstrings and messages of a module. Neighbouring literals are one string to the parser, as to a reader."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_glossary_is_short() -> None:
    assert 20 <= len(ROWS) <= 40
    for term, meaning in ROWS:
        assert meaning.endswith("."), term
        assert len(re.findall(r"\.(?: |$)", meaning)) <= 3, f"{term}: say it in two sentences"


@pytest.mark.parametrize("term", [term for term, _ in ROWS])
def test_term_is_used(term: str) -> None:
    documents = " ".join(plain(path.read_text()) for path in DOCUMENTS if path != GLOSSARY)
    assert re.search(rf"\b{re.escape(term.lower())}", documents), f"nothing but the glossary says {term!r}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document_is_idiomatic(path: Path) -> None:
    text = plain(path.read_text())
    assert [wording for wording in UNIDIOMATIC if wording in text] == []


@pytest.mark.parametrize("part", ["app", "perturbations", "worker"])
def test_code_is_idiomatic(part: str) -> None:
    files = [path for path in CODE if path.is_relative_to(ROOT / part)]
    found = [
        f"{path.relative_to(ROOT)}: {wording}"
        for path in files
        for text in map(plain, told(path))
        for wording in UNIDIOMATIC
        if wording in text
    ]
    assert found == []
