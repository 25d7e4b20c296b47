"""What the documents say about the perturbation and the surrogates that ship is what their files say."""

from __future__ import annotations

import copy
import re

import pytest

from benchmarks.write_figures import DOCUMENTS, REGIONS, ROOT, render, shipped_sidecar


def marked(text: str) -> set[str]:
    return set(re.findall(r"<!-- figures:(\S+) -->", text))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_is_up_to_date(document: str) -> None:
    text = (ROOT / document).read_text()
    assert text == render(text, shipped_sidecar()), "run `make figures`"


def test_every_region_is_in_a_document() -> None:
    assert set.union(*(marked((ROOT / document).read_text()) for document in DOCUMENTS)) == set(REGIONS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_share_is_quoted_outside_the_regions(document: str) -> None:
    """Outside the regions, nobody would notice that it has become wrong."""
    prose = re.sub(r"<!-- figures:.*?<!-- /figures -->", "", (ROOT / document).read_text(), flags=re.DOTALL)
    assert re.findall(r"[^.\n]*\d ?%[^.\n]*", prose) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_another_version_makes_the_document_out_of_date(document: str) -> None:
    other = copy.deepcopy(dict(shipped_sidecar()))
    other["version"], other["epsilon"] = "other", 0.03
    text = (ROOT / document).read_text()
    assert text != render(text, other)


def test_unknown_region_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("<!-- figures:nothing -->\n<!-- /figures -->", shipped_sidecar())
