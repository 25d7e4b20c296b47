"""Records of trainings on a real Redis: one at a time, in order, nothing lost, nothing tried for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.contracts.records.trainings import (
    FILES_FAILING_LIMIT,
    MOST_CRASHES,
    MOST_OPEN,
    Request,
    TooManyTrainings,
    Training,
    TrainingGone,
    Trainings,
    end,
    put_off,
    set_back,
)
from tests.service.conftest import Bench


@pytest.fixture
def trainings(bench: Bench) -> Trainings:
    return Trainings(bench.redis)


def expire_lease(bench: Bench) -> None:
    """What happens when a trainer is killed: nobody renews."""
    assert bench.redis.delete("poise:trainings:lease") == 1


def test_one_runs_at_a_time_oldest_first(trainings: Trainings) -> None:
    first, second = trainings.create(Request()), trainings.create(Request(seed=1))
    running = trainings.claim("a")
    assert running is not None
    assert (running.id, running.status) == (first.id, "running")
    assert trainings.claim("b") is None
    trainings.update(first.id, lambda record: end(record, "succeeded"))
    trainings.release("b")  # not the holder
    assert trainings.claim("b") is None
    trainings.release("a")
    after = trainings.claim("b")
    assert after is not None
    assert after.id == second.id
    assert [training.id for training in trainings.all()] == [second.id, first.id]


def test_a_lease_belongs_to_its_holder(trainings: Trainings, bench: Bench) -> None:
    trainings.create(Request())
    assert trainings.claim("a") is not None
    assert trainings.renew("a")
    assert not trainings.renew("b")
    expire_lease(bench)
    assert trainings.renew("a"), "nobody else took it, so the training goes on"
    expire_lease(bench)
    assert trainings.claim("b") is not None
    assert not trainings.renew("a")


def test_a_training_that_waits_is_cancelled_at_once_and_one_that_runs_is_asked_to(trainings: Trainings) -> None:
    first, second = trainings.create(Request()), trainings.create(Request())
    assert trainings.claim("a") is not None
    assert trainings.cancel(second.id).status == "cancelled"
    asked = trainings.cancel(first.id)
    assert (asked.status, asked.cancelling) == ("running", True)
    trainings.release("a")
    assert trainings.claim("b") is None, "its trainer was gone, so the claim ends it"
    record = trainings.get(first.id)
    assert record is not None
    assert record.status == "cancelled"
    with pytest.raises(TrainingGone):
        trainings.cancel("nothing")


def test_crashes_at_the_same_step_are_counted_and_others_are_not(trainings: Trainings, bench: Bench) -> None:
    training = trainings.create(Request())

    def at(step: int) -> None:
        def change(record: Training) -> None:
            record.step = step

        trainings.update(training.id, change)
        expire_lease(bench)

    for step in (10, 20, 30, 40):  # it gets on each time
        assert trainings.claim("a") is not None
        at(step)
    for _ in range(MOST_CRASHES - 1):
        assert trainings.claim("a") is not None
        at(40)
    assert trainings.claim("a") is None
    record = trainings.get(training.id)
    assert record is not None
    assert (record.status, record.crashes) == ("failed", MOST_CRASHES)
    assert record.error is not None
    assert "step 40" in record.error.detail


def test_being_stopped_is_no_crash(trainings: Trainings) -> None:
    training = trainings.create(Request())
    for _ in range(2 * MOST_CRASHES):
        assert trainings.claim("a") is not None
        trainings.update(training.id, set_back)
        trainings.release("a")
    for _ in range(2 * MOST_CRASHES):
        assert trainings.claim("a") is not None
        trainings.take_over()
    record = trainings.get(training.id)
    assert record is not None
    assert (record.status, record.crashes) == ("queued", 0)


def test_files_that_fail_are_forgiven_while_it_gets_on(trainings: Trainings) -> None:
    training = trainings.create(Request())

    def fails(step: int, *, after: timedelta) -> Training:
        def change(record: Training) -> None:
            record.step = step
            if record.failing_since is not None:
                record.failing_since -= after

        assert trainings.claim("a") is not None
        trainings.update(training.id, change)
        record = trainings.update(training.id, put_off)
        trainings.release("a")
        return record

    assert fails(10, after=timedelta()).status == "queued"
    assert fails(10, after=FILES_FAILING_LIMIT / 2).status == "queued"
    assert fails(20, after=FILES_FAILING_LIMIT).status == "queued", "it has got further"
    # a training goes on from its last checkpoint, a little before the step it had reached
    ended = fails(15, after=FILES_FAILING_LIMIT)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.status == 503
    assert trainings.update(training.id, put_off).status == "failed"


def test_whoever_waits_gets_called_for_once(trainings: Trainings, bench: Bench) -> None:
    assert trainings.call_is_due() is None
    training = trainings.create(Request())
    assert trainings.call_is_due() == training.id
    assert trainings.call_is_due() is None, "a call is under way"
    assert trainings.claim("a") is not None
    assert trainings.call_is_due() is None, "somebody works on it"
    expire_lease(bench)
    assert trainings.call_is_due() == training.id


def test_open_ones_are_in_line(trainings: Trainings) -> None:
    ids = [trainings.create(Request(seed=seed)).id for seed in range(3)]
    trainings.cancel(ids[1])
    assert [training.id for training in trainings.open()] == [ids[0], ids[2]]


def test_too_many_are_refused(trainings: Trainings) -> None:
    for _ in range(MOST_OPEN):
        trainings.create(Request())
    with pytest.raises(TooManyTrainings):
        trainings.create(Request())
