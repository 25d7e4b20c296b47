"""The kinds of Redis the service may be pointed at: Cluster is refused at start, Sentinel is followed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis, RedisError

from app.contracts.redis.connection import connect, refuse_cluster
from app.contracts.redis.messages import celery_settings
from app.contracts.settings import BadSettings, Settings
from app.tasks import CeleryQueue
from tests.deploy.composition import ROOT
from tests.helpers.ports import free_port
from tests.helpers.redis_server import redis_server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path / "cluster", "--cluster-enabled", "yes", "--save", "") as port:
        yield f"redis://127.0.0.1:{port}/0"


def started(command: list[str], url: str) -> subprocess.CompletedProcess[str]:
    """A part of the service that is expected to end by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("POISE_")}
    environment = {**clean, "POISE_REDIS_URL": url, "POISE_PORT": str(free_port())}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "app.server"],
        ["-m", "celery", "--quiet", "--app", "worker.queue.celery_app", "worker", "--queues", "protect"],
        ["-c", "from worker.cli import app; app()", "serve"],
    ],
    ids=["api", "worker", "serve"],
)
def test_cluster_is_refused_at_start(command: list[str], cluster: str) -> None:
    done = started(command, cluster)
    assert done.returncode not in {0, None}
    assert "Cluster" in done.stderr
    assert "Sentinel" in done.stderr
    assert "Traceback" not in done.stderr


def test_single_redis_is_no_cluster(tmp_path: Path) -> None:
    with redis_server(tmp_path / "single", "--save", "") as port:
        refuse_cluster(Settings(redis_url=f"redis://127.0.0.1:{port}/0"))


def test_redis_that_is_not_up_yet_is_waited_for() -> None:
    refuse_cluster(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))


@pytest.mark.parametrize(
    "url", ["sentinel://host:26379", "sentinel://host:26379/", "sentinel:///name", "sentinel://a;redis://b/name"]
)
def test_sentinel_needs_hosts_and_a_name(url: str) -> None:
    with pytest.raises(ValueError, match="sentinel://host:26379"):
        Settings(redis_url=url)


def test_celery_is_told_all_sentinels() -> None:
    told = celery_settings(Settings(redis_url="sentinel://:pw@one:26379;sentinel://:pw@two:26380/main"))
    assert told["broker_url"] == "sentinel://:pw@one:26379;sentinel://:pw@two:26380"
    assert told["broker_transport_options"]["master_name"] == "main"


def test_sentinel_leads_to_the_primary_and_to_the_next(tmp_path: Path) -> None:
    """A primary, a replica and a Sentinel: records and tasks reach the primary, and after its end the replica."""
    with (
        redis_server(tmp_path / "replica", "--save", "") as second,
        redis_server(tmp_path / "primary", "--save", "") as first,
        Redis(port=second) as replica,
        Redis(port=first) as primary,
        watching(tmp_path / "sentinel", first) as port,
        Redis(port=port) as watcher,
    ):
        replica.replicaof("127.0.0.1", str(first))
        _until(lambda: bool(replica.info("replication")["master_link_status"] == "up"))
        _until(lambda: bool(watcher.sentinel_master("main")["num-slaves"] == 1))
        settings = Settings(redis_url=f"sentinel://127.0.0.1:{port}/main")
        refuse_cluster(settings)
        queue = CeleryQueue(settings)
        queue.send("poise.protect", "0" * 32)
        queue.close()
        with connect(settings) as redis:
            redis.set("poise:seen", "1")
            assert primary.get("poise:seen") == b"1"
            assert primary.wait(1, 10_000) == 1
            primary.shutdown(nosave=True)
            _until(lambda: redis.get("poise:seen") == b"1" and bool(redis.set("poise:later", "1")))
        assert replica.get("poise:later") == b"1"
        assert _received(settings) == [["0" * 32], {}]


@contextmanager
def watching(folder: Path, primary: int) -> Iterator[int]:
    """A Sentinel that looks after ``primary`` under the name ``main``, alone."""
    folder.mkdir()
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor main 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds main 1000\n"
        "sentinel failover-timeout main 5000\n"
    )
    with redis_server(folder, str(configuration), "--sentinel") as port:
        yield port


def _received(settings: Settings) -> list[object]:
    """Positional and named arguments of the task that waits for a worker."""
    celery = Celery("poise", set_as_current=False)
    celery.conf.update(celery_settings(settings))
    with celery.connection_for_read() as connection:
        message = connection.SimpleQueue("protect").get(timeout=30)
        message.ack()
    return list(message.payload[:2])


def _until(holds: Callable[[], bool]) -> None:
    """Wait until ``holds()`` is true; Redis may be away meanwhile."""
    end = time.monotonic() + 60
    while True:
        try:
            if holds():
                return
        except RedisError:
            pass
        assert time.monotonic() < end
        time.sleep(0.2)


def test_refusal_names_the_setting(cluster: str) -> None:
    with pytest.raises(BadSettings, match="POISE_REDIS_URL"):
        refuse_cluster(Settings(redis_url=cluster))
