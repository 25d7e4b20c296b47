"""Generators that are in use, and those that were never uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.contracts.records import catalogue
from app.contracts.records.datasets import SYNTHETIC, Dataset
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import MOST_OPEN, Request, Trainings
from app.contracts.storage import storage_of
from tests.service.conftest import Bench
from tests.service.helpers import building
from tests.service.helpers.front_end import serving

KEY = "a-key-that-nobody-guesses"


@pytest.fixture
def client(bench: Bench) -> Iterator[httpx.Client]:
    """The front end of an installation with one generator that ships, and one that was uploaded and is enabled."""
    faces = Dataset(name=SYNTHETIC, created_at=None, bytes=1, sha256="0" * 64, faces=24, shipped=True)
    catalogue.publish(bench.redis, building.catalogue(faces))
    architectures = Generators(storage_of(bench.settings), bench.redis)
    checkpoint = Path(bench.settings.data_dir) / "checkpoint"
    checkpoint.write_bytes(b"weights")
    record = architectures.add(checkpoint, name="mine", sha256="0" * 64)
    architectures.checked(record.model_copy(update={"status": "enabled", "weights": record.sha256}))
    with serving(bench, admin_keys=KEY) as client:
        client.headers["X-API-Key"] = KEY
        yield client


def test_a_generator_is_not_switched_off_under_a_training(client: httpx.Client, bench: Bench) -> None:
    here = "/v1/admin/architectures/mine"
    training = Trainings(bench.redis).create(Request(targets=("stargan", "mine")))
    for answer in (client.patch(here, json={"enabled": False}), client.delete(here)):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
        assert "cancel it first" in answer.json()["detail"]
    assert client.patch(here, json={"enabled": True}).json()["status"] == "enabled"
    client.delete(f"/v1/admin/trainings/{training.id}").raise_for_status()
    assert client.patch(here, json={"enabled": False}).json()["status"] == "disabled"
    assert client.delete(here).status_code == 204


def test_what_ships_is_not_said_to_be_missing(client: httpx.Client) -> None:
    here = "/v1/admin/architectures/stargan"
    answers = (client.get(here), client.patch(here, json={"enabled": False}), client.delete(here))
    assert [answer.status_code for answer in answers] == [404, 409, 409]
    assert all("ships with Poise" in answer.json()["detail"] for answer in answers)
    here = "/v1/admin/architectures/nothing"
    answers = (client.get(here), client.patch(here, json={"enabled": False}), client.delete(here))
    assert [answer.status_code for answer in answers] == [404] * 3
    assert all("no such architecture" in answer.json()["detail"] for answer in answers)


def test_a_training_too_many_is_not_called_a_photo(client: httpx.Client, bench: Bench) -> None:
    for _ in range(MOST_OPEN):
        Trainings(bench.redis).create(Request())
    answer = client.post("/v1/admin/trainings", json={})
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-trainings")
    assert "photo" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0
