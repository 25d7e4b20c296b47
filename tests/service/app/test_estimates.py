"""How long a training will take, what it did, and what administrators see of the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.contracts.names import QUEUES
from app.contracts.records import catalogue, curves
from app.contracts.records.catalogue import Plan
from app.contracts.records.curves import Point
from app.contracts.records.datasets import Dataset
from app.contracts.records.trainings import Request, Training, Trainings
from app.contracts.records.versions import Version
from app.contracts.redis.metrics import FAILED, TOOK
from app.estimates import ASSUMED_SECONDS, MEASURING, Estimate
from app.estimates import estimate as estimated
from app.main import create_app
from tests.service.conftest import Bench
from tests.service.helpers import building

KEY = "a-key-that-nobody-guesses"
PLANS = {"quick": Plan(steps=200, batch=8), "full": Plan(steps=400, batch=8)}
NOW = datetime.now(UTC)
FACES = Dataset(name="synthetic", created_at=None, bytes=1, sha256="0", faces=64, shipped=True)


def no_curve(_: str) -> list[Point]:
    return []


def estimate(*asked: Any, curve: Callable[[str], list[Point]] = no_curve, **given: Any) -> Estimate:
    return estimated(*asked, curve=curve, **given)


def version(*known: str) -> Version:
    attainable = dict.fromkeys(known, 0.1)
    return Version(version="v", epsilon=0.05, weighting="aef", origin="shipped", created_at=NOW, attainable=attainable)


def ended(seconds: float, *, steps: int = 200, targets: tuple[str, ...] = ("a", "b")) -> Training:
    return Training(
        id="x",
        status="succeeded",
        created_at=NOW,
        started_at=NOW - timedelta(seconds=seconds),
        ended_at=NOW,
        request=Request(targets=targets),
        done={"together": steps},
    )


def test_a_first_estimate_is_a_guess() -> None:
    found = estimate(Request(), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=[])
    assert not found.measured
    assert found.steps == 200
    assert found.seconds == pytest.approx((200 * 8 + MEASURING) * 2 * ASSUMED_SECONDS)
    assert found.least == found.seconds / 2
    assert found.most == found.seconds * 2


def test_a_training_before_it_is_the_measure() -> None:
    same = estimate(Request(), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=[ended(100)])
    assert same.measured
    assert same.seconds == pytest.approx(100)
    assert (same.least, same.most) == pytest.approx((80, 125))
    larger = estimate(Request(preset="full"), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=[ended(100)])
    assert larger.steps == 400
    assert larger.seconds == pytest.approx(100 * (400 * 8 + MEASURING) / (200 * 8 + MEASURING))


def test_faces_of_a_batch_are_counted() -> None:
    plans = {**PLANS, "wide": Plan(steps=200, batch=16)}
    wide = estimate(Request(preset="wide"), ("a", "b"), plans, versions=[version("a", "b")], trainings=[ended(100)])
    assert wide.seconds == pytest.approx(100 * (200 * 16 + MEASURING) / (200 * 8 + MEASURING))


def test_steps_take_the_place_of_the_presets() -> None:
    half = estimate(Request(steps=100), ("a", "b"), PLANS, versions=[version("a")], trainings=[ended(100)])
    assert half.steps == 200, "those against the unknown one alone, too"
    assert half.seconds == pytest.approx(100 * (300 * 8 + 2 * MEASURING) / (400 * 8 + 2 * MEASURING))


def test_unknown_generators_are_trained_against_alone_first() -> None:
    found = estimate(Request(), ("a", "b"), PLANS, versions=[version("a")], trainings=[ended(100)])
    assert found.alone == ("b",)
    assert found.steps == 400
    assert found.seconds == pytest.approx(100 * (600 * 8 + 2 * MEASURING) / (400 * 8 + 2 * MEASURING))
    other_bound = estimate(Request(epsilon=0.1), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=[])
    assert other_bound.alone == ("a", "b")


def test_a_training_that_hardly_began_measures_nothing() -> None:
    assert not estimate(Request(), ("a",), PLANS, versions=[version("a")], trainings=[ended(100, steps=3)]).measured


def test_trainings_that_took_differently_long_make_a_range() -> None:
    trainings = [ended(100), ended(300)]
    found = estimate(Request(), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=trainings)
    assert (found.least, found.seconds, found.most) == pytest.approx((80, 200, 375))


def test_a_training_that_was_stopped_measured_no_result() -> None:
    stopped = ended(100).model_copy(update={"status": "cancelled"})
    found = estimate(Request(), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=[stopped])
    assert found.seconds == pytest.approx(100 * (1600 + MEASURING) / 1600)


def point(step: int, stage: str = "together", at: datetime = NOW) -> Point:
    return Point(step=step, stage=stage, at=at, losses={"a": -0.1}, weights={"a": 1.0}, effect={"a": None})


def test_time_without_a_service_is_not_counted() -> None:
    night = timedelta(hours=9)

    def curve(_: str) -> list[Point]:
        begun = NOW - timedelta(seconds=100) - night
        return [point(100, at=begun + timedelta(seconds=50)), point(101, at=begun + timedelta(seconds=50) + night)]

    trainings = [ended(100 + night.total_seconds())]
    found = estimate(Request(), ("a", "b"), PLANS, versions=[version("a", "b")], trainings=trainings, curve=curve)
    assert found.seconds == pytest.approx(100)


def test_a_curve_goes_on_from_the_checkpoint(bench: Bench) -> None:
    trainings = Trainings(bench.redis)
    training = trainings.create(Request())
    for step in (1, 2, 3, 4, 2):
        trainings.add_point(training.id, point(step))
    assert [one.step for one in trainings.curve(training.id)] == [1, 2]
    assert [one.step for one in trainings.curve(training.id, after=1)] == [2]


@pytest.mark.parametrize(("stage", "most"), [("together", 200), ("alone-a-0.05", 50)])
def test_a_curve_is_short(stage: str, most: int) -> None:
    for steps in (1, 200, 960, 4800):
        kept = [step for step in range(1, steps + 1) if curves.is_kept(stage, step, steps)]
        assert len(kept) <= 2 * most
        assert kept[-1] == steps


@pytest.fixture
def client(bench: Bench) -> TestClient:
    catalogue.publish(bench.redis, building.catalogue(FACES))
    settings = bench.settings.model_copy(update={"admin_keys": KEY})
    return TestClient(create_app(settings), headers={"X-API-Key": KEY})


def test_estimates_curves_and_choices_are_told(client: TestClient, bench: Bench) -> None:
    asked = client.post("/v1/admin/trainings/estimate", json={"preset": "quick"})
    assert asked.status_code == 200
    assert asked.json()["alone"] == ["stargan"]
    assert Trainings(bench.redis).all() == [], "nothing is started"
    assert client.post("/v1/admin/trainings/estimate", json={"preset": "forever"}).status_code == 422
    training = Trainings(bench.redis).create(Request())
    Trainings(bench.redis).add_point(training.id, point(5))
    found = client.get(f"/v1/admin/trainings/{training.id}/curve").json()["points"]
    assert [one["step"] for one in found] == [5]
    assert client.get(f"/v1/admin/trainings/{training.id}/curve?after=5").json() == {"points": []}
    assert client.get("/v1/admin/trainings/nothing/curve").status_code == 404
    choices = client.get("/v1/admin/choices").json()
    assert choices["targets"] == ["stargan"]
    assert choices["presets"]["quick"]["steps"] == 200
    assert choices["defaults"]["activate"] is True


def test_the_status_tells_of_queues_and_failures(client: TestClient, bench: Bench) -> None:
    bench.stages.recorder.add(FAILED.plus("protect", "image-damaged"), *TOOK.seen(2.0, "score"))
    status = client.get("/v1/admin/status").json()
    assert {one["queue"] for one in status["queues"]} >= set(QUEUES)
    assert {one["workers"] for one in status["queues"]} == {0}
    assert status["down"], "there are no workers"
    assert status["failures"] == [{"stage": "protect", "problem": "image-damaged", "count": 1}]
    assert status["stages"] == [{"stage": "score", "done": 1, "mean_seconds": 2.0}]
