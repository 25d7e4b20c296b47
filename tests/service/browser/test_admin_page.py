"""The page of administrators: from a key to an activated training and back, in a real browser, on a real service."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from app.contracts.records.versions import Versions
from app.contracts.settings import Settings
from app.contracts.storage import storage_of
from perturbations import artifact
from perturbations.checkpoints.loading import sha256
from tests.service.browser.conftest import Visits
from tests.service.conftest import ADMIN_KEY
from tests.service.helpers import admin_uploads
from tests.service.helpers.browsing import PATIENCE_MS, Visit
from tests.service.helpers.running import Running, redis_socket
from worker.serve import embedded_redis

NAME = "watched"
TRAINING_MS = 300_000
"""A quick training may take this long beside other work; on idle cores it is a quarter of a minute."""


def signed_in(visit: Visit, place: str = "trainings") -> Page:
    page = visit.go(f"/admin#{place}")
    page.get_by_label("Administrator’s key").fill(ADMIN_KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#signed-in")).to_be_visible()
    return page


def at(page: Page, place: str) -> Locator:
    """Go to a place; what is shown there."""
    page.get_by_role("navigation", name="Places").get_by_role("link", name=place).click()
    expect(page.get_by_role("heading", name=place, level=2)).to_be_visible()
    return page.locator("#place")


@pytest.fixture
def uploads(tmp_path: Path, astronaut_png: bytes) -> tuple[Path, Path]:
    """An archive of faces, and a generator that trains in seconds."""
    faces, generator = tmp_path / "faces.zip", tmp_path / "watched.safetensors"
    faces.write_bytes(admin_uploads.zipped(admin_uploads.face_files(astronaut_png, 24)))
    generator.write_bytes(admin_uploads.tiny_checkpoint(tmp_path, seed=3))
    return faces, generator


@pytest.fixture
def weak(service: Running, uploads: tuple[Path, Path], tmp_path: Path) -> None:
    """A version that does next to nothing is active, and says what can be attained against the generator."""
    digest = sha256(uploads[1])
    known = {"targets": {NAME: digest}, "attainable": {NAME: 0.5}, "breaks_at": {NAME: 0.05}}
    pattern = torch.zeros(artifact.SHAPE) + 0.0005
    artifact.save(tmp_path / "weak", pattern, epsilon=0.05, weighting="uniform", sidecar=known)
    settings = Settings(data_dir=service.data_dir)
    with embedded_redis.client(f"unix://{redis_socket(service)}") as redis:
        versions = Versions(storage_of(settings), redis)
        version = versions.add(tmp_path / "weak", origin="imported").version
        versions.activate(version, reason="for a test")


def ended(service: Running, training_id: str) -> None:
    """Wait for a training that was cancelled: until then, nothing it needs can be deleted."""
    end = time.monotonic() + 60
    here = f"/v1/admin/trainings/{training_id}"
    while service.client.get(here, headers={"X-API-Key": ADMIN_KEY}).json()["ended_at"] is None:
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def left_as_found(service: Running) -> Iterator[None]:
    """Whatever happens, the shared service gets its own version back, and loses what was uploaded."""
    head = {"X-API-Key": ADMIN_KEY}
    before = service.client.get("/v1/admin/perturbations", headers=head).json()
    kept = {version["version"] for version in before["perturbations"]}
    yield
    for training in service.client.get("/v1/admin/trainings", headers=head).json()["trainings"]:
        service.client.delete(f"/v1/admin/trainings/{training['id']}", headers=head)
        ended(service, training["id"])
    service.client.post(f"/v1/admin/perturbations/{before['active']}/activate", headers=head)
    after = service.client.get("/v1/admin/perturbations", headers=head).json()
    for name in {version["version"] for version in after["perturbations"]} - kept:
        service.client.delete(f"/v1/admin/perturbations/{name}", headers=head)
    service.client.delete(f"/v1/admin/architectures/{NAME}", headers=head)
    service.client.delete(f"/v1/admin/datasets/{NAME}", headers=head)


def test_a_wrong_key_is_refused_and_no_key_is_kept(visits: Visits) -> None:
    visit = visits(refusals=(401,))
    page = visit.go("/admin")
    assert visit.violations() == []
    for wrong in ("a-key-that-nobody-has", f"“{ADMIN_KEY}”"):
        page.get_by_label("Administrator’s key").fill(wrong)
        page.keyboard.press("Enter")
        expect(page.get_by_text("This key is not valid.")).to_be_visible()
        page.get_by_label("Administrator’s key").fill("")
    expect(page.locator("#signed-in")).to_be_hidden()
    signed_in(visit, "constructor")
    a_form_that_is_pressed_twice_opens_once_and_tells_what_is_wrong(page)
    assert ADMIN_KEY not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    expect(page.locator("#signed-in")).to_be_hidden()
    expect(page.locator("#place > *")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Administrator’s key")).to_have_value("")


def a_form_that_is_pressed_twice_opens_once_and_tells_what_is_wrong(page: Page) -> None:
    page.get_by_role("button", name="New training").dblclick()
    start = page.get_by_role("button", name="Start the training")
    expect(page.locator(".estimate")).to_contain_text("This takes")
    expect(start).to_have_count(1)
    page.locator("[name=steps]").evaluate("field => (field.value = '-5')")
    start.click()
    expect(page.get_by_label("Steps")).to_be_focused()  # it was folded away
    page.get_by_label("Steps").fill("")
    for box in page.locator("[name=targets]").all():
        box.uncheck()
    expect(page.locator(".estimate")).to_have_text("Choose at least one generator.")


def add_faces(visit: Visit, archive: Path) -> None:
    place = at(visit.page, "Faces")
    place.get_by_label("ZIP file").set_input_files(archive)
    place.get_by_label("Name", exact=True).fill(NAME)
    place.get_by_role("button", name="Upload").click()
    expect(place.get_by_role("row", name=re.compile(f"{NAME} 24"))).to_be_visible()
    assert visit.violations() == []


def add_generator(visit: Visit, checkpoint: Path) -> None:
    place = at(visit.page, "Generators")
    place.get_by_label("Checkpoint").set_input_files(checkpoint)
    place.get_by_label("Name", exact=True).fill(NAME)
    place.get_by_role("button", name="Upload").click()
    mine = place.get_by_role("row", name=re.compile(NAME))
    for state, button in (("enabled", "Disable"), ("disabled", "Enable"), ("enabled", None)):
        expect(mine.get_by_text(state, exact=True)).to_be_visible(timeout=PATIENCE_MS)
        if button is not None:
            mine.get_by_role("button", name=button).click()
    assert visit.violations() == []


def train(visit: Visit) -> None:
    """Ask for a training, watch it to its end, and activate what it made."""
    place = at(visit.page, "Trainings")
    place.get_by_role("button", name="New training").click()
    expect(place.locator(".estimate")).to_contain_text("This takes")
    for box in place.locator("input[name=targets]").all():
        box.set_checked(box.get_attribute("value") == NAME)
    place.get_by_label("Faces to train on").select_option(NAME)
    expect(place.locator(".estimate")).to_contain_text("200 steps")
    place.get_by_text("More choices", exact=True).click()
    place.get_by_label("Steps").fill("60")
    expect(place.locator(".estimate")).to_contain_text("(60 steps)")
    assert visit.violations() == []
    place.get_by_role("button", name="Start the training").click()
    mine = place.locator(".sheet", has_text="1 generator").first
    expect(mine.get_by_text("running", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(mine.locator(".chart canvas")).to_have_count(3, timeout=PATIENCE_MS)
    expect(mine.get_by_text(re.compile(r"Step \d+ of \d+"))).to_be_visible()
    expect(mine.get_by_text("succeeded", exact=True)).to_be_visible(timeout=TRAINING_MS)
    expect(mine.get_by_text("It waits for your approval.")).to_be_visible()
    expect(mine.get_by_role("row", name=re.compile(NAME))).to_be_visible()
    expect(mine.locator(".chart canvas")).to_have_count(3)
    expect(mine.locator(".chart").first).to_have_attribute("aria-label", re.compile(rf"Effect: {NAME} 0\.\d"))
    assert visit.violations() == []
    mine.get_by_role("button", name="Approve and activate").click()
    expect(mine.get_by_text("It is active")).to_be_visible()
    expect(mine.get_by_text("It waits for your approval.")).to_have_count(0)


def compare_and_roll_back(visit: Visit) -> None:
    """Two versions side by side; then the one before again, and the new one deleted."""
    place = at(visit.page, "Versions")
    made = place.get_by_role("row").filter(has=place.page.get_by_text("active", exact=True))
    expect(made).to_contain_text("trained here")
    version = re.findall(r"aef-scaled-\w+", made.inner_text())[0]
    made.get_by_role("checkbox").check()
    place.get_by_role("row").filter(has_text="ships with Poise").get_by_role("checkbox").check()
    expect(place.get_by_role("heading", name=re.compile("compared"))).to_be_visible()
    assert visit.violations() == []
    place.get_by_role("button", name="Roll back").dblclick()  # one step, not two
    expect(place.get_by_role("row").filter(has_text="imported").get_by_text("active", exact=True)).to_be_visible()
    mine = place.get_by_role("row").filter(has_text=version).first
    expect(mine.get_by_text("active", exact=True)).to_have_count(0)
    mine.get_by_role("button", name="Delete").click()
    mine.get_by_role("button", name="Really delete?").click()
    expect(place.locator("table").first).not_to_contain_text(version)


@pytest.mark.slow
@pytest.mark.usefixtures("left_as_found", "weak")
def test_from_the_key_to_an_activated_training_and_back(visits: Visits, uploads: tuple[Path, Path]) -> None:
    visit = visits()
    page = signed_in(visit, "faces")
    faces, generator = uploads
    add_faces(visit, faces)
    add_generator(visit, generator)
    train(visit)
    compare_and_roll_back(visit)
    page.set_viewport_size({"width": 360, "height": 740})
    at(page, "Health")
    expect(page.get_by_text("all is well")).to_be_visible()
    assert visit.violations() == []
    for name in ("Trainings", "Versions", "Generators", "Faces", "Health"):
        at(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, name
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#place > *")).to_have_count(0)
