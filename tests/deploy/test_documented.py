"""What ``docs/deploy.md`` tells people to type and to write down does what it says."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from app.contracts.names import QUEUES
from app.contracts.records.jobs import Jobs, Options, new_job_id
from app.contracts.records.trainings import Request, Trainings
from app.contracts.report import Source
from app.contracts.settings import Settings
from app.guards.open_files import OTHERS
from tests.deploy.composition import ROOT, parts
from tests.deploy.locally import Started, here, start
from tests.helpers.ports import free_port
from worker.serve.launcher import worker

TEXT = (ROOT / "docs" / "deploy.md").read_text()
PASSWORD = "letters0and9digits"  # noqa: S105 - of a Redis that lives for this test


def example(language: str, having: str) -> str:
    """The one example in a language that has this in it."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    (found,) = (block for block in blocks if having in block)
    return found


def test_workers_are_started_as_the_launcher_starts_them() -> None:
    """Less the options that only keep them quiet."""
    lines = re.findall(r"^celery .*$", TEXT, re.MULTILINE)
    shown = {line.split()[line.split().index("--queues") + 1]: line for line in lines}
    assert shown.keys() == set(QUEUES)
    for queue, line in shown.items():
        started = " ".join(worker(queue, {}).command)
        assert line.partition("--queues")[2] in started
        assert ("--max-tasks-per-child" in line) is ("--max-tasks-per-child" in started)


def test_unit_leaves_the_order_to_the_launcher_and_comes_back() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(example("ini", "[Service]"))
    service = unit["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "always"
    assert service["User"] != "root"
    assert int(service["LimitNOFILE"]) >= Settings().max_connections + OTHERS
    assert service["ExecStart"].startswith(service["WorkingDirectory"])
    data_dir = service["Environment"].removeprefix("POISE_DATA_DIR=")
    assert data_dir == f"/var/lib/{service['StateDirectory']}"


def test_proxy_logs_no_paths_and_waits_for_administrators() -> None:
    nginx = example("nginx", "proxy_pass")
    server = nginx[: nginx.index("location")]
    assert "access_log off;" in server
    assert re.search(r"error_log \S+ crit;", server)
    for told in ("proxy_set_header X-Forwarded-For", "proxy_buffering off", "proxy_read_timeout"):
        assert told in server
        # a location that says it of its own would have to say all of it
        assert nginx.count(told) == 1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[Started, Redis, Settings]]:
    """Redis of the compose file."""
    (tmp_path / "redis").mkdir()
    port = free_port()
    part = parts({"REDIS_PASSWORD": PASSWORD, "POISE_ADMIN_KEYS": "k" * 32})["redis"]
    started = start(part, tmp_path, here(tmp_path, redis_port=port, api_port=free_port()))
    settings = Settings(redis_url=f"redis://:{PASSWORD}@127.0.0.1:{port}/0", data_dir=tmp_path)
    try:
        started.wait_until_healthy()
        with Redis(port=port, password=PASSWORD) as client:
            yield started, client, settings
    finally:
        started.stop()


def test_work_left_is_counted_before_an_upgrade(redis: tuple[Started, Redis, Settings]) -> None:
    started, client, settings = redis
    asks = [line for line in example("sh", "zcard").splitlines() if "redis-cli" in line]

    def answers() -> list[str]:
        port = client.connection_pool.connection_kwargs["port"]
        script = "\n".join(line.replace("docker compose exec redis redis-cli", f"redis-cli -p {port}") for line in asks)
        command = ["/bin/sh", "-ec", script]
        done = subprocess.run(command, env=started.environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert answers() == ["0", "0"]
    source = Source(format="png", width=1, height=1, bytes=1)
    for _ in range(2):
        Jobs(client, settings).create(source, Options(), job_id=new_job_id())
    Trainings(client).create(Request())
    assert answers() == ["2", "1"]
