"""Damaged photos through the whole service: each is refused or ends with an explanation, and nothing else happens.

``make soak`` sends thousands.
"""

from __future__ import annotations

import sys
from itertools import islice

import pytest

from tests.service.helpers.damaged_uploads import assault, stored, workers
from tests.service.helpers.mutations import DAMAGES, mutants, seeds
from tests.service.helpers.running import Running

MOST_MEMORY = 1_600_000_000
"""What a worker takes for the largest photo that is accepted."""


def test_mutants_are_the_same_for_a_seed() -> None:
    first, again, other = (list(islice(mutants(60, seed=seed), 60)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the workers' memory from /proc")
def test_mutants_break_nothing(service: Running) -> None:
    files, before = stored(service), workers(service)
    outcome = assault(service, mutants(len(seeds()) * len(DAMAGES)))
    assert outcome.complaints == []
    after = workers(service)
    assert after.pids == before.pids, "a worker was brought down"
    assert after.peak < MOST_MEMORY
    assert stored(service) <= files
    # every kind of end was seen, or the files were not what they should be
    assert set(outcome.ended) == {"protected", "scored", "failed"}
    assert {202, 415, 422} <= set(outcome.answers)
