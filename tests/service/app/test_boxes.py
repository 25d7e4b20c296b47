"""Boxes that are sent along with a photo, and how strongly it is changed: what is taken, and what is refused."""

from __future__ import annotations

import json

import pytest

from app.contracts.boxes import MAX_BOXES, check_inside, parse_boxes
from app.contracts.problems import Unprocessable
from app.contracts.records.jobs import Job
from app.routes.protections import parse_options


def refusal(text: str) -> str:
    with pytest.raises(Unprocessable) as refused:
        parse_boxes(text)
    return refused.value.detail


def test_boxes_are_read() -> None:
    assert parse_boxes("[[1, 2, 3, 4], [-5, 0, 60, 80]]") == ((1, 2, 3, 4), (-5, 0, 60, 80))
    assert parse_boxes("[]") == ()
    assert len(parse_boxes(json.dumps([[0, 0, 9, 9]] * MAX_BOXES))) == MAX_BOXES


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "not JSON"),
        ("[" * 4000, "not JSON"),
        ("NaN", "not a list"),
        ('{"x": 1}', "not a list"),
        ("[1, 2, 3, 4]", "Box 1"),
        ("[[1, 2, 3, 4], [1, 2, 3]]", "Box 2"),
        ("[[1.5, 2, 3, 4]]", "whole numbers"),
        ("[[true, 2, 3, 4]]", "whole numbers"),
        ("[[1, 2, 0, 4]]", "empty"),
        ("[[1, 2, 3, -4]]", "empty"),
        (f"[[{10**30}, 2, 3, 4]]", "too large"),
        (json.dumps([[0, 0, 9, 9]] * (MAX_BOXES + 1)), "65 boxes"),
    ],
)
def test_other_boxes_are_refused_with_a_reason(text: str, why: str) -> None:
    assert why in refusal(text)


def test_boxes_have_to_show_a_part_of_the_photo() -> None:
    check_inside(((90, 40, 30, 30), (-20, -20, 30, 30), (0, 0, 100, 50)), 100, 50)
    check_inside(((10, 80, 30, 30),), 100, 50)  # it may be stored lying on its side
    for outside in ((100, 0, 5, 5), (80, 80, 5, 5), (-5, 0, 5, 5), (0, -9, 5, 5)):
        with pytest.raises(Unprocessable, match="outside"):
            check_inside((outside,), 100, 50)
    with pytest.raises(Unprocessable, match="larger"):
        check_inside(((0, 0, 101, 50),), 100, 50)


def test_options_have_defaults_and_names() -> None:
    assert parse_options({}).strength == "standard"
    assert parse_options({}).faces is None
    chosen = parse_options({"strength": "subtle", "faces": "[[0, 0, 9, 9]]"})
    assert (chosen.strength, chosen.faces) == ("subtle", ((0, 0, 9, 9),))
    with pytest.raises(Unprocessable, match="subtle, standard, strong"):
        parse_options({"strength": "most"})


def test_records_of_older_versions_are_still_read() -> None:
    face = {"x": 1, "y": 2, "width": 3, "height": 4, "confidence": 0.9}
    score = {"architecture": "stargan", "paradigm": "label", "l2_mask": 0.1, "interrupted": True, "edits": []}
    progress = {
        "created_at": "2026-11-01T00:00:00Z",
        "expires_at": "2026-11-02T00:00:00Z",
        "source": {"format": "jpeg", "width": 8, "height": 8, "bytes": 9},
        "faces": [face],
        "scores_status": "done",
        "scores": [score],
        "summary": {"interrupted": 1, "architectures": 1, "weakest": "stargan", "balance": 1.0},
    }
    options = {"format": "keep", "scores": True, "previews": True, "perturbation": None}
    record = json.dumps({"job_id": "a", "result_key": "b", "options": options, "progress": progress})
    read = Job.model_validate_json(record)
    assert (read.options.strength, read.options.faces) == ("standard", None)
    report = read.progress
    assert (report.strength, report.tiled, report.faces[0].source) == ("standard", False, "found")
    assert report.scores[0].after_messenger is None
    assert report.summary is not None
    assert report.summary.interrupted_after_messenger is None
    assert Job.model_validate_json(read.model_dump_json()) == read
