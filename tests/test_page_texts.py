"""The texts of the pages: every language says everything, and what the page says first is what its table says."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from app.contracts.names import QUEUES
from perturbations.coverage import notes

STATIC = Path(__file__).parents[1] / "app" / "static"
LANGUAGES = ("en", "de")
NAMES = sorted({path.name.partition(".")[0] for path in (STATIC / "texts").glob("*.json")})
SCRIPTS = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
PAGES = sorted(STATIC.glob("*.html"))
ONLY_ENGLISH = re.compile(r"(problem|edit)\.|sentences$")
"""What the service says in English, and other languages therefore need a text for."""


def table(name: str, language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STATIC / "texts" / f"{name}.{language}.json").read_text())
    return found


def every(language: str) -> dict[str, Any]:
    return {key: text for name in NAMES for key, text in table(name, language).items()}


def blanks(text: str | dict[str, str]) -> set[str]:
    forms = [text] if isinstance(text, str) else list(text.values())
    return {blank for form in forms for blank in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("name", NAMES)
def test_every_language_says_everything(name: str) -> None:
    english, german = (table(name, language) for language in LANGUAGES)
    assert english.keys() - german.keys() == set()
    assert {key for key in german.keys() - english.keys() if not ONLY_ENGLISH.match(key)} == set()
    for key, text in english.items():
        assert blanks(german[key]) == blanks(text), key


def test_every_text_that_is_named_exists() -> None:
    known = every("en").keys()
    code = "".join(path.read_text() for path in SCRIPTS)
    pages = "".join(path.read_text() for path in PAGES)
    named = set(re.findall(r"""\b(?:say|button|field)\("([a-z][\w.]+)\"""", code))
    named |= set(re.findall(r'data-(?:text|label)="([^"]+)"', pages))
    assert len(named) > 100
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_first_says_what_its_table_says(page: Path) -> None:
    english = every("en")
    said = re.findall(r'data-text="([^"]+)"[^>]*>([^<]*)<', page.read_text())
    assert said
    assert {key: text for key, text in said if english[key] != text} == {}


def test_notes_about_a_photo_are_translated() -> None:
    sentences = table("photos", "de")["sentences"]
    flags = [name for name, kind in notes.__annotations__.items() if kind == "bool"]
    for faces, already, *chosen in product((0, 1, 2, 3), (0, 1, 2, 3), *[(False, True)] * len(flags)):
        if already <= max(1, faces):
            for note in notes(
                faces=faces, already=already, **{flag: bool(on) for flag, on in zip(flags, chosen, strict=True)}
            ):
                assert re.sub(r"\d+", "#", note) in sentences, note


def test_problems_of_photos_are_translated() -> None:
    from app.contracts import problems

    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, problems.Problem)]
    german = every("de")
    administrators = {"unauthorized", "forbidden", "too-many-trainings", "misdirected", "method-not-allowed"}
    assert {kind.slug for kind in kinds if f"problem.{kind.slug}" not in german} - administrators == set()


def test_administrators_read_what_does_not_work_in_their_language() -> None:
    sentences = table("admin", "de")["sentences"]
    for queue in QUEUES:
        assert f"no worker serves the queue {queue}" in sentences
        assert f"messages wait in the queue {queue}, but no worker takes them" in sentences
    german = table("admin", "de")
    assert {f"problem.admin.{slug}" for slug in ("unauthorized", "forbidden", "too-many-trainings")} <= german.keys()


def test_scripts_parse_no_html_and_name_no_other_host() -> None:
    for path in SCRIPTS:
        code = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code), (
            path
        )
        assert not [url for url in re.findall(r"https?://[^\s\"'`]+", code) if "www.w3.org" not in url], path
