"""Pictures of what the generators make: there when the scores are, gone with the result, and telling the truth."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perturbations.effect import SUCCESS_THRESHOLD
from perturbations.images import RgbArray
from tests.service.helpers.running import Running


def picture(service: Running, link: str) -> RgbArray:
    answer = service.client.get(link)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "no-store"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


@pytest.fixture(scope="module")
def scored(service: Running, astronaut_png: bytes) -> dict[str, Any]:
    return service.settled(service.accepted(astronaut_png))


def test_every_edit_of_every_generator_is_shown(service: Running, scored: dict[str, Any]) -> None:
    named = [(score["architecture"], edit["edit"]) for score in scored["scores"] for edit in score["edits"]]
    assert [(link["architecture"], link["edit"]) for link in scored["links"]["previews"]] == named
    for link in scored["links"]["previews"]:
        original, protected = picture(service, link["original"]), picture(service, link["protected"])
        assert original.shape == protected.shape
        assert original.shape[0] == original.shape[1]


def test_where_an_edit_is_interrupted_the_pictures_differ(service: Running, scored: dict[str, Any]) -> None:
    effect = {
        (score["architecture"], edit["edit"]): edit["l2_mask"] for score in scored["scores"] for edit in score["edits"]
    }
    interrupted: list[float] = []
    for link in scored["links"]["previews"]:
        if (effect[link["architecture"], link["edit"]] or 0.0) > SUCCESS_THRESHOLD:
            pictures = [picture(service, link[which]).astype(float) / 127.5 for which in ("original", "protected")]
            interrupted.append(float(((pictures[0] - pictures[1]) ** 2).mean()))
    assert min(interrupted) > SUCCESS_THRESHOLD / 4, "the edit changes only a part of the picture"


def test_previews_exist_only_where_they_were_asked_for(service: Running, astronaut_png: bytes) -> None:
    without = service.settled(service.accepted(astronaut_png, previews="false"))
    assert without["status"] == "scored"
    assert without["links"]["previews"] == []
    unscored = service.settled(service.accepted(astronaut_png, scores="false", previews="true"))
    assert unscored["links"]["previews"] == []
    assert service.client.get(f"{unscored['links']['self']}/previews/stargan/old_man/original.png").status_code == 404


def test_unknown_previews_are_refused(service: Running, scored: dict[str, Any]) -> None:
    here = scored["links"]["self"]
    link = scored["links"]["previews"][0]["original"]
    assert service.client.get(link.replace("original.png", "neither.png")).status_code == 422
    assert service.client.get(f"{here}/previews/stargan/..%2f..%2foriginal/original.png").status_code == 404
    assert service.client.get(f"{here}/previews/nobody/nothing/original.png").status_code == 404
    assert service.client.get(link.replace(scored["id"], "A" * 32)).status_code == 404


def test_previews_go_with_the_result(service: Running, scored: dict[str, Any], astronaut_png: bytes) -> None:
    report = service.settled(service.accepted(astronaut_png))
    assert service.client.delete(report["links"]["self"]).status_code == 204
    for link in report["links"]["previews"]:
        assert service.client.get(link["original"]).status_code == 404
    # another one's are untouched
    picture(service, scored["links"]["previews"][0]["original"])
