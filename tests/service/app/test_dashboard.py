"""The dashboard for Grafana asks for nothing that Poise does not tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric

from app.contracts.redis.metrics import FAILED, INTERRUPTED, L2MASK, TOOK, WAIT, Recorder
from app.metrics import PROBLEMS, REQUESTS
from tests.service.conftest import Bench
from tests.service.helpers import building

DASHBOARD = json.loads((Path(__file__).parents[3] / "docker" / "grafana" / "poise.json").read_text())
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
WORDS = re.compile(r"[a-zA-Z_]\w*")
SHOWN = ("queue_depth", "queue_wait", "stage_seconds", "effect_l2_mask", "failures", "training_step")


def queries(panels: Iterable[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))
        yield from queries(panel.get("panels", ()))


@pytest.fixture
def told(bench: Bench) -> dict[str, Metric]:
    """Every family Poise tells Prometheus of, under the names its samples have, with one sample at least."""
    changes = [one for histogram in (WAIT, TOOK) for one in histogram.seen(1.0, "protect")]
    changes += [*L2MASK.seen(0.1, "stargan", "twin"), INTERRUPTED.plus("stargan", "twin")]
    Recorder(bench.redis).add(*changes, FAILED.plus("protect", "internal"))
    REQUESTS.labels("GET", "/", "200").observe(0.1)
    PROBLEMS.labels("not-found").inc()
    shared = building.shared_figures(bench.redis).collect()
    families = [*shared, *REQUESTS.collect(), *PROBLEMS.collect()]
    return {family.name + suffix: family for family in families for suffix in SUFFIXES[family.type]}


def test_every_metric_is_one_that_poise_tells(told: dict[str, Metric]) -> None:
    asked = {word for query in queries(DASHBOARD["panels"]) for word in WORDS.findall(query) if word[:6] == "poise_"}
    assert asked <= told.keys()
    for name in SHOWN:
        assert any(word.startswith(f"poise_{name}") for word in asked), f"no panel shows {name}"


def test_every_label_is_one_the_metric_has(told: dict[str, Metric]) -> None:
    for query in queries(DASHBOARD["panels"]):
        grouped = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in WORDS.findall(group)}
        selected = set(re.findall(r"(\w+)=\"", query))
        for name in {word for word in WORDS.findall(query) if word in told}:
            known = {label for sample in told[name].samples for label in sample.labels}
            assert grouped | selected <= known, query


def test_panels_can_be_told_apart() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert len(places) == len(set(places))
