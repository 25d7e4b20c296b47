"""The tables of the comparison of weightings."""

from __future__ import annotations

from typing import Any

from benchmarks.compare_weightings import DELIVERIES, tables


def document(*effects: float, twin: float = 0.0) -> dict[str, Any]:
    """An evaluation in which generators ``a``, ``b``, … have these effects, and the first one a twin."""

    def figures(effect: float) -> dict[str, Any]:
        return {"l2_mask": effect, "success_rate": float(effect > 0.05)}

    rows = {chr(ord("a") + n): {**figures(effect), "twin": None} for n, effect in enumerate(effects)}
    rows["a"]["twin"] = figures(twin)
    return {"transforms": {name: {"architectures": rows} for name in DELIVERIES}, "quality": {"ssim": 0.95}}


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    text = "\n".join(tables({"aef": [document(0.1), document(0.02)], "uniform": [document(0.2)]}))
    assert "| aef, 2 | 0.060 / 50 (0 to 100) | 0.950 |" in text
    assert "| uniform, 1 | 0.200 / 100 | 0.950 |" in text


def test_a_generator_has_a_column_if_anything_moves_it() -> None:
    def first_head(*documents: dict[str, Any]) -> str:
        return next(line for line in tables({"aef": documents}) if line.startswith("|"))

    assert first_head(document(0.1, 0.0), document(0.1, 0.02)) == "| weighting, seeds | a | b | SSIM |"
    assert first_head(document(0.1, twin=0.03)) == "| weighting, seeds | a | a twin | SSIM |"


def test_nothing_that_is_moved_is_said() -> None:
    assert all("nothing is moved" in line for line in tables({"aef": [document(0.001)]}))
