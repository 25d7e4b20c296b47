"""The stamp of a collection of records: in the storage, announced by Redis, and whole without it."""

from __future__ import annotations

import pytest

from app.contracts.records.stamp import Stamp
from app.contracts.storage import Storage, storage_of
from tests.service.conftest import Bench


@pytest.fixture
def storage(bench: Bench) -> Storage:
    return storage_of(bench.settings)


def test_it_changes_without_redis(storage: Storage) -> None:
    command, other = Stamp(storage, None, "things"), Stamp(storage, None, "things")
    assert command.now() == ""
    seen = set()
    for _ in range(3):
        command.change()
        seen.add(other.now())
    assert len(seen) == 3
    assert command.is_announced(), "nobody listens"


def test_a_change_without_redis_arrives_with_the_next_announcement(bench: Bench, storage: Storage) -> None:
    worker, command = Stamp(storage, bench.redis, "things"), Stamp(storage, None, "things")
    worker.change()
    before = worker.now()
    assert worker.is_announced()
    command.change()
    assert worker.now() == before, "workers ask Redis, not the storage"
    assert not worker.is_announced()
    worker.announce()
    assert worker.now() == command.now() != before


def test_it_outlives_redis(bench: Bench, storage: Storage) -> None:
    worker = Stamp(storage, bench.redis, "things")
    worker.change()
    before = worker.now()
    bench.redis.flushall()
    assert worker.now() == before
    worker.announce()
    assert worker.is_announced()


def test_an_older_announcement_never_takes_the_place_of_a_newer_one(bench: Bench, storage: Storage) -> None:
    class Slow(Stamp):
        reads = 0

        def stored(self) -> str:
            found = super().stored()
            self.reads += 1
            if self.reads == 1:  # somebody changes it between the look and the announcement
                Stamp(storage, bench.redis, "things").change()
            return found

    slow = Slow(storage, bench.redis, "things")
    slow.announce()
    assert slow.reads == 2
    assert Stamp(storage, bench.redis, "things").is_announced()
