"""A clock that is set back: leases and turns that now end in the future block nothing."""

from __future__ import annotations

import time

import pytest

from app.contracts.names import PROTECT
from app.contracts.records.trainings import CALL_SECONDS, LEASE_SECONDS, Request, Trainings
from app.contracts.redis.leases import WAITING_SECONDS
from app.contracts.redis.schedules import SharedSchedule
from tests.service.conftest import Bench
from tests.service.worker.test_jobs import sweeper_of

HOUR = 3600.0


def test_a_lease_that_ends_too_late_has_ended(bench: Bench) -> None:
    _, lost = bench.accept(b"photo")
    _, waiting = bench.accept(b"photo")
    bench.redis.zadd("poise:open", {lost.job_id: time.time() + HOUR, waiting.job_id: time.time() + WAITING_SECONDS})
    assert sweeper_of(bench).resend() == 1
    assert bench.sent == [(PROTECT, lost.job_id)]
    assert sweeper_of(bench).resend() == 0, "it has a lease like any other now"


@pytest.mark.parametrize("put_off", [False, True])
def test_a_turn_that_lasts_too_long_is_over(bench: Bench, put_off: bool) -> None:
    first, second = (SharedSchedule(bench.redis, "work", 60.0) for _ in range(2))
    assert first.claim(0.0)
    if put_off:
        first.put_off(300.0)
    assert not second.claim(0.0)
    left = bench.redis.pttl("poise:turn:work")
    bench.redis.pexpire("poise:turn:work", int(left + 1000 * HOUR))
    assert second.claim(61.0)
    assert bench.redis.pttl("poise:turn:work") <= 60_000


@pytest.mark.parametrize(("key", "seconds"), [("lease", LEASE_SECONDS), ("called", CALL_SECONDS)])
def test_a_training_is_called_for_again(bench: Bench, key: str, seconds: int) -> None:
    trainings = Trainings(bench.redis)
    training = trainings.create(Request())
    bench.redis.set(f"poise:trainings:{key}", "of a trainer that is gone", ex=int(HOUR))
    assert trainings.call_is_due() is None
    assert bench.redis.ttl(f"poise:trainings:{key}") <= seconds
    bench.redis.delete(f"poise:trainings:{key}")
    assert trainings.call_is_due() == training.id
