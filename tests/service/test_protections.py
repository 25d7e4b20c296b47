"""A photo in, a protected photo and its scores out: through HTTP, Redis and the workers."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.contracts.records.jobs import RESULT_ID
from perturbations.images import RgbArray
from tests.service.helpers.mutations import heic
from tests.service.helpers.running import Running


def pixels(data: bytes) -> RgbArray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def kept(service: Running) -> set[str]:
    """What there is in any job's folder."""
    return {path.name for path in (service.data_dir / "storage" / "photos").glob("*/*")}


def test_photo_is_protected_and_scored(service: Running, astronaut_png: bytes) -> None:
    accepted = service.upload(astronaut_png)
    assert accepted.status_code == 202
    assert accepted.json()["links"]["self"] == accepted.headers["Location"]
    assert RESULT_ID.fullmatch(accepted.json()["id"])

    report = service.settled(accepted.headers["Location"])
    assert report["status"] == "scored"
    assert report["scores_status"] == "done"
    assert report["source"] == {"format": "png", "width": 512, "height": 512, "bytes": len(astronaut_png)}
    assert len(report["faces"]) == len(report["regions"]) == 1
    assert report["error"] is None
    assert report["summary"]["architectures"] == sum(score["l2_mask"] is not None for score in report["scores"]) > 0

    behind = [score["after_messenger"]["interrupted"] for score in report["scores"]]
    assert report["summary"]["interrupted_after_messenger"] == behind.count(True)

    answer = service.client.get(report["links"]["image"])
    assert answer.headers["Content-Type"] == "image/png"
    before, after = pixels(astronaut_png).astype(int), pixels(answer.content).astype(int)
    assert before.shape == after.shape
    change = np.abs(before - after).max(axis=2)
    (region,) = report["regions"]
    inside = np.zeros(change.shape, bool)
    inside[region["y"] : region["y"] + region["height"], region["x"] : region["x"] + region["width"]] = True
    assert 1 <= change[inside].max() <= 6
    assert change[~inside].max() == 0
    assert report["quality"]["max_abs_diff"] == change.max()
    assert report["coverage"] == pytest.approx(inside.mean())
    assert report["notes"][:2] == ["1 face was found and protected.", "Anybody else in the picture is not protected."]


@pytest.fixture
def close_up(astronaut_png: bytes) -> bytes:
    """The astronaut so large that it can be told how strong a copy is."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(astronaut_png)) as image:
        image.convert("RGB").resize((900, 900), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


def test_a_copy_that_is_sent_again_is_left_as_it_is_and_the_report_says_so(service: Running, close_up: bytes) -> None:
    first = service.settled(service.accepted(close_up, scores="false"))
    copy = service.client.get(first["links"]["image"]).content
    second = service.settled(service.accepted(copy, scores="false"))
    assert [region["already_protected"] for region in second["regions"]] == [True]
    assert "already protected with this version" in second["notes"][0]
    assert np.array_equal(pixels(service.client.get(second["links"]["image"]).content), pixels(copy))
    weaker = service.settled(service.accepted(copy, scores="false", strength="subtle"))
    assert weaker["strength"] == "standard", "as the copy is"


def test_a_copy_that_is_sent_again_is_made_as_strong_as_is_asked_for(service: Running, close_up: bytes) -> None:
    def made(photo: bytes, strength: str) -> tuple[dict[str, Any], bytes]:
        report = service.settled(service.accepted(photo, scores="false", strength=strength))
        return report, service.client.get(report["links"]["image"]).content

    _, subtle = made(close_up, "subtle")
    report, twice = made(subtle, "strong")
    _, once = made(close_up, "strong")
    assert (pixels(twice) != pixels(once)).mean() < 1e-4
    assert report["strength"] == "strong"
    assert any("now as strong as was asked for" in note for note in report["notes"])


def test_original_goes_when_the_job_has_ended(service: Running, astronaut_png: bytes) -> None:
    service.settled(service.accepted(astronaut_png))
    end = time.monotonic() + 5
    while kept(service) != {"previews", "protected"} and time.monotonic() < end:
        time.sleep(0.05)
    assert kept(service) == {"previews", "protected"}


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_copy_comes_in_the_format_asked_for(service: Running, astronaut_png: bytes, name: str) -> None:
    report = service.settled(service.accepted(astronaut_png, format=name, scores="false"))
    answer = service.client.get(report["links"]["image"])
    assert answer.headers["Content-Type"] == f"image/{name}"
    assert report["copy_bytes"] == len(answer.content)
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format or "").lower() == name
        assert image.size == (512, 512)


def test_an_avif_is_kept_and_scored(service: Running, astronaut_png: bytes) -> None:
    data = io.BytesIO()
    Image.fromarray(pixels(astronaut_png)).save(data, "AVIF", quality=90)
    report = service.settled(service.accepted(data.getvalue()))
    assert (report["status"], report["source"]["format"]) == ("scored", "avif")
    answer = service.client.get(report["links"]["image"])
    assert answer.headers["Content-Type"] == "image/avif"
    assert 'filename="protected.avif"' in answer.headers["Content-Disposition"]
    assert len(report["faces"]) == 1
    change = np.abs(pixels(data.getvalue()).astype(int) - pixels(answer.content)).max()
    assert 5 <= change <= 8


def test_a_heic_is_taken_and_comes_back_as_a_jpeg(service: Running, astronaut_png: bytes) -> None:
    photo = heic(Image.fromarray(pixels(astronaut_png)))
    report = service.settled(service.accepted(photo, scores="false"))
    assert (report["status"], report["source"]["format"]) == ("protected", "heic")
    answer = service.client.get(report["links"]["image"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert b"plus:DataMining" in answer.content
    assert "The copy is a JPEG, because HEIC files are read but not written." in report["notes"]


def test_without_scores_the_job_ends_protected(service: Running, astronaut_png: bytes) -> None:
    report = service.settled(service.accepted(astronaut_png, scores="false"))
    assert (report["status"], report["scores_status"], report["scores"]) == ("protected", "off", [])


def test_waiting_gets_the_protected_copy_in_one_answer(service: Running, astronaut_png: bytes) -> None:
    answer = service.upload(astronaut_png, headers={"Prefer": "wait=20"}, scores="false")
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.json()["status"] == "protected"
    assert service.client.get(answer.json()["links"]["image"]).status_code == 200


def test_without_a_face_the_whole_frame_is_protected(service: Running) -> None:
    blank = io.BytesIO()
    Image.new("RGB", (90, 60), (120, 130, 140)).save(blank, "PNG")
    report = service.settled(service.accepted(blank.getvalue(), scores="false"))
    assert report["faces"] == []
    assert report["regions"] == [{"x": 0, "y": 0, "width": 90, "height": 60, "already_protected": False}]
    assert report["coverage"] == 1
    assert report["notes"][0] == "No face was found, so the whole picture was protected."


def test_a_face_is_protected_where_the_sender_says_it_is(service: Running, astronaut_png: bytes) -> None:
    report = service.settled(service.accepted(astronaut_png, scores="false", faces="[[300, 300, 100, 120]]"))
    (face,) = report["faces"]
    assert face == {"x": 300, "y": 300, "width": 100, "height": 120, "confidence": 1.0, "source": "given"}
    (region,) = report["regions"]
    changed = np.argwhere(
        (pixels(service.client.get(report["links"]["image"]).content) != pixels(astronaut_png)).any(2)
    )
    assert len(changed) > 0
    assert (changed.min(0) >= (region["y"], region["x"])).all()
    assert (changed.max(0) < (region["y"] + region["height"], region["x"] + region["width"])).all()
    assert 290 <= region["x"] <= 310


def test_the_report_repeats_the_strength(service: Running, astronaut_png: bytes) -> None:
    report = service.settled(service.accepted(astronaut_png, scores="false", strength="subtle"))
    assert (report["strength"], report["status"]) == ("subtle", "protected")


def test_boxes_belong_to_one_photo(service: Running, astronaut_png: bytes) -> None:
    answer = service.upload(astronaut_png, faces="[[900, 0, 10, 10]]")
    assert (answer.status_code, "outside the photo" in answer.json()["detail"]) == (422, True)
    files = [("images", ("a.png", astronaut_png))]
    answer = service.client.post("/v1/batches", files=files, data={"faces": "[[0, 0, 10, 10]]"})
    assert (answer.status_code, "unknown field" in answer.json()["detail"]) == (422, True)


def test_damage_that_only_decoding_sees_is_explained(service: Running, astronaut_png: bytes) -> None:
    whole = io.BytesIO()
    with Image.open(io.BytesIO(astronaut_png)) as image:
        image.convert("RGB").save(whole, "JPEG")
    report = service.settled(service.accepted(whole.getvalue()[: len(whole.getvalue()) // 3]))
    assert report["status"] == "failed"
    assert report["error"]["type"] == "/problems/image-damaged"
    assert report["links"]["image"] is None
    assert service.client.get(f"{report['links']['self']}/image").status_code == 409


def test_deleting_erases_at_once_and_for_good(service: Running, astronaut_png: bytes) -> None:
    # deleted while the worker is at it, or before
    here = service.accepted(astronaut_png)
    assert service.client.delete(here).status_code == 204
    for _ in range(10):
        assert service.client.get(here).status_code == 404
        assert service.client.get(f"{here}/image").status_code == 404
        time.sleep(0.1)
    assert service.client.delete(here).status_code == 404


def test_ids_are_never_logged(service: Running, astronaut_png: bytes) -> None:
    here = service.accepted(astronaut_png, scores="false")
    service.settled(here)
    service.client.get(f"{here}/image")
    service.client.delete(here)
    service.client.get(here)
    text = service.log.read_text()
    assert "protection.accepted job_id=" in text
    assert here.rpartition("/")[2] not in text


def test_active_perturbation_is_what_photos_get(service: Running, astronaut_png: bytes) -> None:
    active = service.client.get("/v1/perturbations/active").json()
    report = service.settled(service.accepted(astronaut_png, scores="false", perturbation=active["version"]))
    trained_on = report["perturbation"].pop("trained_on")
    assert report["perturbation"] == {"version": active["version"], "epsilon": active["epsilon"]}
    assert trained_on
    assert set(trained_on) == set(active["effect"]["architectures"])


def test_page_and_health(service: Running) -> None:
    assert service.client.get("/livez").json() == {"status": "alive"}
    assert service.client.get("/readyz").json() == {"status": "ready"}
    page = service.client.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    for name in ("/page.css", "/page.js"):
        assert name in page.text
        assert service.client.get(name).status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
