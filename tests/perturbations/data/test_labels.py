"""Labels in file names."""

from __future__ import annotations

import pytest

from perturbations.data import ATTRIBUTES, utk_label


@pytest.mark.parametrize(
    ("name", "age", "man", "old"),
    [
        ("30_0_0_20170117.jpg.chip.jpg", 30, True, False),
        ("44_1_2_x.jpg", 44, False, False),
        ("45_1_2_x.jpg", 45, False, True),
        ("110_0_4_x.png", 110, True, True),
        ("1_0_2015.jpg", 1, True, False),  # race is missing in a few names, the rest is there
    ],
)
def test_names_are_read(name: str, age: int, man: bool, old: bool) -> None:
    label = utk_label(name)
    assert label is not None
    assert (label.age, label.man, label.old) == (age, man, old)
    assert dict(zip(ATTRIBUTES, label.vector, strict=True)) == {"man": float(man), "old": float(old)}


@pytest.mark.parametrize(
    "name", ["", "face.jpg", "30_0.jpg", "30_2_0_x.jpg", "x_0_0_1.jpg", "-3_0_0_1.jpg", "30__0_1.jpg"]
)
def test_other_names_carry_no_label(name: str) -> None:
    assert utk_label(name) is None
