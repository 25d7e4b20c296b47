"""Files that are wrong in what they are made of: each is read, or refused with an explanation; nothing else happens.

``make soak`` reads 40,000 of them, and sends others through a service.
"""

from __future__ import annotations

import io

import pytest
from PIL import Image

from perturbations.photo import decode
from tests.service.helpers.containers import container, put_together, taken_apart
from tests.service.helpers.fuzzing import fuzz
from tests.service.helpers.structures import CHANGES, pictures, structured

FILES = 2_000
SEED = 0


@pytest.mark.parametrize("name", sorted(pictures()))
def test_taken_apart_and_put_together_a_file_is_the_same(name: str) -> None:
    data = pictures()[name]
    end = len(data) if container(data) != "jpeg" else data.index(b"\xff\xd9", len(data) // 3) + 2
    again = put_together(container(data), taken_apart(data))
    assert again[:end] == data[:end]
    decode(again) if name.startswith("heic") else Image.open(io.BytesIO(again)).load()


def test_files_are_the_same_for_a_seed_and_meet_every_change() -> None:
    first, again = ([structured(number, seed=1) for number in range(60)] for _ in range(2))
    assert first == again != [structured(number, seed=2) for number in range(60)]
    kinds = {structured(number).kind.split(": ")[1].split(", ")[0] for number in range(len(pictures()) * len(CHANGES))}
    assert kinds == set(CHANGES)


@pytest.mark.slow
def test_structures_break_nothing() -> None:
    findings = fuzz(range(FILES), seed=SEED)
    assert findings.complaints == []
    # every kind of end was seen, or the files were not what they should be
    assert (
        min(findings.ended[end] for end in ("accepted, readable", "accepted, unreadable", "refused, unreadable")) > 100
    )
