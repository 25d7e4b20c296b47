"""Figures add up over processes and survive what they measure; no label holds an id."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from app.contracts.names import QUEUES
from app.contracts.redis import liveness
from app.contracts.redis.messages import queue_key
from app.contracts.redis.metrics import (
    COUNTERS,
    FAILED,
    HISTOGRAMS,
    TOOK,
    WAIT,
    Figures,
    Recorder,
    read,
    sent_now,
    waited,
)
from app.contracts.settings import BadSettings, Settings
from app.main import shared_figures
from app.metrics import serving
from app.tasks import CeleryQueue
from tests.helpers.ports import free_port
from tests.service.conftest import Bench
from tests.service.helpers import building
from tests.service.helpers.running import Running


def scrape(port: str) -> dict[str, Metric]:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    """The value of one sample; of several with these labels, their sum."""
    found = [s for f in families.values() for s in f.samples if s.name == sample and labels.items() <= s.labels.items()]
    assert found, f"no {sample} {labels}"
    return sum(one.value for one in found)


def collected(bench: Bench) -> dict[str, Metric]:
    return {family.name: family for family in building.shared_figures(bench.redis).collect()}


@given(st.lists(st.floats(0, 1000), max_size=30))
def test_a_distribution_counts_what_is_at_most_each_bucket(values: list[float]) -> None:
    fields: dict[str, float] = {}
    for seen in values:
        for field, amount in TOOK.seen(seen, "protect"):
            fields[field] = fields.get(field, 0.0) + amount
    found = Figures(fields).distributions(TOOK)
    if not values:
        assert found == {}
        return
    spread = found["protect",]
    assert spread.counts == (*(sum(v <= bucket for v in values) for bucket in TOOK.buckets), len(values))
    assert spread.sum == pytest.approx(sum(values))


def test_figures_of_many_writers_add_up(bench: Bench) -> None:
    def write() -> None:
        recorder = Recorder(bench.redis)
        for _ in range(50):
            recorder.add(*WAIT.seen(0.2, "protect"), FAILED.plus("protect", "internal"))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    figures = read(bench.redis)
    assert figures.numbers(FAILED) == {("protect", "internal"): 200}
    assert figures.distributions(WAIT)["protect",].counts[-1] == 200
    assert figures.distributions(WAIT)["protect",].sum == pytest.approx(40)


def test_names_are_unique_and_labels_cannot_break_out(bench: Bench) -> None:
    names = [one.name for one in (*COUNTERS, *HISTOGRAMS)]
    assert len(names) == len(set(names))
    Recorder(bench.redis).add(FAILED.plus("protect", "a|b"))
    assert read(bench.redis).numbers(FAILED) == {("protect", "a_b"): 1}


def test_stages_tell_how_long_they_took_and_what_came_out(bench: Bench, astronaut_png: bytes) -> None:
    _, job = bench.accept(astronaut_png)
    _, broken = bench.accept(astronaut_png[:2000], scores=False)
    for one in (job, broken):
        bench.stages.protect(one.job_id, bench.perturbation)
    bench.stages.score(job.job_id, *(partial(bench.library.targets, twins=twins) for twins in (False, True)))
    found = collected(bench)
    for stage in ("protect", "score"):
        assert value(found, "poise_stage_seconds_count", stage=stage) == 1
        assert value(found, "poise_stage_seconds_sum", stage=stage) > 0
    assert value(found, "poise_failures_total", stage="protect", problem="image-damaged") == 1
    for score in bench.job(job.job_id).progress.scores:
        for judge, judged in (("surrogate", score), ("twin", score.twin)):
            if judged is not None and judged.l2_mask is not None:
                labels = {"architecture": score.architecture, "judge": judge}
                assert value(found, "poise_effect_l2_mask_count", **labels) == 1
                assert value(found, "poise_effect_l2_mask_sum", **labels) == pytest.approx(judged.l2_mask)
                assert value(found, "poise_effect_interrupted_total", **labels) == bool(judged.interrupted)


def test_work_goes_on_where_figures_are_lost(tmp_path: Path) -> None:
    Recorder(Redis(unix_socket_path=str(tmp_path / "nobody.sock"))).add(*WAIT.seen(1.0, "protect"))


def test_queues_tell_how_many_wait_and_how_long(bench: Bench) -> None:
    assert value(collected(bench), "poise_queue_depth", queue="protect") == 0
    assert value(collected(bench), "poise_queue_oldest_seconds", queue="protect") == 0
    queue = CeleryQueue(bench.settings)
    began = time.time()
    queue.send("poise.protect", "0" * 32)
    time.sleep(0.3)
    queue.send("poise.protect", "1" * 32)
    queue.send("poise.score", "1" * 32)
    queue.close()
    found = collected(bench)
    assert value(found, "poise_queue_depth", queue="protect") == 2
    assert value(found, "poise_queue_depth", queue="score") == 1
    assert 0.3 <= value(found, "poise_queue_oldest_seconds", queue="protect") <= time.time() - began
    assert value(found, "poise_queue_depth", queue="train") == 0
    bench.redis.lpush(queue_key("train"), json.dumps({"headers": {}}))
    assert value(collected(bench), "poise_queue_oldest_seconds", queue="train") == 0


@pytest.mark.parametrize("headers", [None, {}, {"poise_sent_at": "soon"}, []])
def test_messages_that_do_not_tell_when_they_were_sent_have_no_wait(headers: object) -> None:
    assert waited(headers) is None
    assert 0 <= (waited(sent_now()) or 0.0) < 5


def test_the_training_that_runs_is_shown(bench: Bench) -> None:
    from app.contracts.records.trainings import Request, Training, Trainings

    def progress(training: Training) -> None:
        training.step, training.steps = 30, 200

    trainings = Trainings(bench.redis)
    assert value(collected(bench), "poise_training_steps") == 0
    trainings.create(Request())
    trainings.create(Request())
    running = trainings.claim("token")
    assert running is not None
    trainings.update(running.id, progress)
    found = collected(bench)
    assert value(found, "poise_training_step") == 30
    assert value(found, "poise_training_steps") == 200
    assert value(found, "poise_trainings_open") == 2


def test_a_scrape_survives_redis(tmp_path: Path) -> None:
    gone = Redis(unix_socket_path=str(tmp_path / "nobody.sock"))
    (only,) = building.shared_figures(gone).collect()
    assert (only.name, only.samples[0].value) == ("poise_redis_up", 0.0)


def test_no_port_no_metrics_and_a_taken_one_is_named(redis_url: str) -> None:
    with shared_figures(Settings(redis_url=redis_url)) as shared:
        for off in (None, 0):
            with serving(Settings(redis_url=redis_url, metrics_port=off), shared):
                pass
        port = free_port()
        chosen = Settings(redis_url=redis_url, metrics_port=port)
        with serving(chosen, shared):
            assert value(scrape(str(port)), "poise_redis_up") == 1
            with pytest.raises(BadSettings, match="POISE_METRICS_PORT"), serving(chosen, shared):
                pass
        with serving(chosen, shared):  # free again
            pass


def test_workers_are_counted_by_queue(bench: Bench) -> None:
    liveness.beat(bench.redis, "host:1", ["protect", "train"])
    assert value(collected(bench), "poise_workers", queue="protect") == 1
    assert value(collected(bench), "poise_workers", queue="score") == 0
    liveness.beat(bench.redis, "host:2", QUEUES)
    assert value(collected(bench), "poise_workers", queue="protect") == 2
    assert value(collected(bench), "poise_workers", queue="score") == 1


def test_a_running_service_shows_all_of_it(service: Running, astronaut_png: bytes) -> None:
    port = service.environment["POISE_METRICS_PORT"]
    here = service.accepted(astronaut_png)
    service.settled(here)
    service.client.get(f"{here}/image")
    service.client.get("/v1/protections/" + "A" * 32)
    service.client.get("/no/such/path/" + "B" * 32)
    service.client.request("BREW", "/livez")
    found = scrape(port)
    here_read, upload = (
        {"method": "GET", "route": "/v1/protections/{id}"},
        {"method": "POST", "route": "/v1/protections"},
    )
    assert value(found, "poise_http_request_seconds_count", **upload, status="202") >= 1
    assert value(found, "poise_http_request_seconds_count", **here_read, status="200") >= 1
    assert value(found, "poise_http_request_seconds_count", **here_read, status="404") >= 1
    assert value(found, "poise_http_request_seconds_count", route="none", status="404") >= 1
    assert value(found, "poise_http_request_seconds_count", method="other", status="405") >= 1
    assert value(found, "poise_http_problems_total", problem="not-found") >= 2
    for queue in ("protect", "score"):
        assert value(found, "poise_queue_wait_seconds_count", queue=queue) >= 1
        assert value(found, "poise_stage_seconds_count", stage=queue) >= 1
        assert value(found, "poise_workers", queue=queue) >= 1
    assert value(found, "poise_effect_l2_mask_count", judge="surrogate") >= 1
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    for secret in (here.rpartition("/")[2], "A" * 32, "B" * 32, "BREW"):
        assert secret not in text
    # on a port of their own
    assert service.client.get("/metrics").status_code == 404


def test_routes_are_templates_of_the_interface(service: Running) -> None:
    service.client.get("/v1/perturbations/active")
    service.client.get("/v1/admin/trainings/" + "0" * 16)
    known = set(service.client.get("/openapi.json").json()["paths"]) | {"none", "/", "/openapi.json"}
    known |= {
        "/page.css",
        "/page.js",
        "/admin",
        "/manifest.webmanifest",
        "/sharing.js",
        "/share",
        "/static/{name:path}",
    }
    routes = {
        sample.labels["route"]
        for sample in scrape(service.environment["POISE_METRICS_PORT"])["poise_http_request_seconds"].samples
    }
    assert routes <= known
    assert "/v1/admin/trainings/{id}" in routes


def test_lines_of_json_hold_the_event_and_its_fields() -> None:
    code = """if True:
        import logging, warnings
        from app.contracts.logs import event, set_up
        set_up("INFO", form="json")
        log = logging.getLogger("app.x")
        event(log, "protection.accepted", job_id="0a", size=3, event="no")
        event(log, "never.shown", level=logging.DEBUG)
        warnings.warn("two\\nlines", stacklevel=1)
        try:
            raise ValueError("wrong\\nvalue")
        except ValueError:
            log.exception("it.failed")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, third = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["event"], first["job_id"], first["size"]) == ("protection.accepted", "0a", 3)
    assert (first["level"], first["logger"]) == ("INFO", "app.x")
    assert "two\nlines" in second["event"]
    assert third["event"] == "it.failed"
    assert "ValueError: wrong\nvalue" in third["exception"]
    assert done.stdout == ""
