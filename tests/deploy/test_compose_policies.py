"""What every service of ``docker-compose.yml`` must grant, and must not."""

from __future__ import annotations

import re

import pytest
import yaml

from app.contracts.names import QUEUES
from app.contracts.settings import PREFIX, Settings
from tests.deploy import dockerfile
from tests.deploy.composition import ROOT, Missing, Part, compose, parts

SECRETS = {"REDIS_PASSWORD": "letters0and9digits", "POISE_ADMIN_KEYS": "k" * 32}
EVERYTHING = parts(SECRETS, profiles=frozenset({"gpu"}))
EACH = pytest.mark.parametrize("part", EVERYTHING.values(), ids=EVERYTHING.keys())


@EACH
def test_it_cannot_do_more_than_its_work(part: Part) -> None:
    said = part.said
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert "cap_add" not in said
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["user"])
    assert not said.keys() & {"privileged", "pid", "ipc", "network_mode", "devices"}
    assert not any("docker.sock" in volume or volume.startswith((".", "/")) for volume in said["volumes"])


@EACH
def test_it_cannot_take_the_whole_machine(part: Part) -> None:
    limits = part.said["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"[1-9]\d*[mg]", limits["memory"])
    assert int(limits["pids"]) > 0
    assert all("size=" in place for place in part.said["tmpfs"])
    assert part.said["logging"]["options"].keys() == {"max-size", "max-file"}


@EACH
def test_it_tells_whether_it_is_healthy_and_comes_back(part: Part) -> None:
    assert part.health
    assert part.said["healthcheck"].keys() >= {"interval", "timeout", "start_period", "retries"}
    assert part.said["restart"] == "unless-stopped"
    assert part.said["init"] is True


@EACH
def test_it_starts_only_when_what_it_needs_is_healthy(part: Part) -> None:
    waits = part.said.get("depends_on", {})
    assert all(how == {"condition": "service_healthy"} for how in waits.values())
    assert part.name == "redis" or "redis" in waits


@EACH
def test_it_is_told_only_settings_there_are(part: Part) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert {name for name in part.environment if name.startswith(PREFIX)} <= known


def test_every_setting_can_be_set() -> None:
    """What is documented reaches the services that read it, unless the file itself has decided."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    decided = {PREFIX + name for name in ("HOST", "PORT", "DATA_DIR", "REDIS_URL", "METRICS_PORT")}
    chosen = {name: f"{name} of .env" for name in known}
    told = [part.environment for part in parts({**SECRETS, **chosen}).values()]
    settable = {name for name in known if any(environment.get(name) == chosen[name] for environment in told)}
    assert settable == known - decided
    assert all(any(name in environment for environment in told) for name in decided)


def test_settings_of_both_sides_reach_both() -> None:
    services = parts({**SECRETS, "POISE_MAX_PIXELS": "1000000", "POISE_STORAGE_URL": "s3://bucket"})
    ours = [part.environment for name, part in services.items() if name != "redis"]
    assert {environment["POISE_MAX_PIXELS"] for environment in ours} == {"1000000"}
    assert {environment["POISE_STORAGE_URL"] for environment in ours} == {"s3://bucket"}


def test_temporary_credentials_of_a_bucket_can_be_used() -> None:
    environment = parts({**SECRETS, "AWS_SESSION_TOKEN": "of an hour"})["worker"].environment
    assert environment["AWS_SESSION_TOKEN"] == "of an hour"  # noqa: S105 - none


@EACH
def test_its_own_image_is_built_from_here(part: Part) -> None:
    if part.name == "redis":
        assert re.fullmatch(r"redis:\d+\.\d+\.\d+-\w+(@sha256:[0-9a-f]{64})?", part.said["image"])
    else:
        assert (ROOT / part.said["build"]["dockerfile"]).is_file()
        user = next(i.rest for i in dockerfile.read(ROOT / part.said["build"]["dockerfile"]) if i.word == "USER")
        assert part.said["user"] == user


def test_only_the_front_end_can_be_reached() -> None:
    document = compose(SECRETS)
    assert [name for name, said in document["services"].items() if "ports" in said] == ["api"]
    assert document["services"]["api"]["ports"][0].startswith("127.0.0.1:")
    assert document["networks"]["queue"] == {"internal": "true"}
    reach = {name for name, said in document["services"].items() if set(said["networks"]) != {"queue"}}
    assert reach == {"api"}


def test_every_volume_is_named() -> None:
    document = compose(SECRETS)
    mounted = {v.split(":")[0] for said in document["services"].values() for v in said["volumes"]}
    assert mounted == document["volumes"].keys()


def test_every_queue_has_a_worker_of_its_own() -> None:
    commands = [part.command for part in parts(SECRETS).values() if part.command[0] == "celery"]
    assert sorted(command[command.index("--queues") + 1] for command in commands) == sorted(QUEUES)


def test_workers_start_as_the_launcher_starts_them() -> None:
    from worker.serve.launcher import worker

    for part in parts(SECRETS).values():
        if part.command[0] == "celery":
            queue = part.command[part.command.index("--queues") + 1]
            embedded = worker(queue, {}).command
            assert part.command == ["celery", *embedded[embedded.index("--quiet") :]]
            assert part.health[-1] == queue


def test_redis_keeps_what_it_has_accepted() -> None:
    command = " ".join(parts(SECRETS)["redis"].command)
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_starts_without_its_secrets(name: str) -> None:
    with pytest.raises(Missing, match=name):
        compose({other: value for other, value in SECRETS.items() if other != name})


def test_no_secret_stands_in_a_file_or_a_command() -> None:
    for part in EVERYTHING.values():
        assert not any(secret in word for secret in SECRETS.values() for word in [*part.command, *part.health])
    for line in (ROOT / ".env.example").read_text().splitlines():
        if re.match(r"(REDIS_PASSWORD|POISE_ADMIN_KEYS)=", line):
            assert line.endswith("=")


def test_example_names_every_variable() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert used == named


def test_example_shows_limits_as_they_are() -> None:
    text = (ROOT / ".env.example").read_text()
    shown = dict(re.findall(rf"^#{PREFIX}(\w+)=(\d+)$", text, re.MULTILINE))
    assert shown.keys() >= {"MAX_PIXELS", "RETENTION_SECONDS"}
    assert shown == {name: str(Settings.model_fields[name.lower()].default) for name in shown}


def test_gpu_profile_adds_what_computes() -> None:
    added = EVERYTHING.keys() - parts(SECRETS).keys()
    assert added == {"scorer-gpu", "trainer-gpu"}
    for name in added:
        said = EVERYTHING[name].said
        device = said["deploy"]["resources"]["reservations"]["devices"][0]
        assert device["driver"] == "nvidia"
        assert "gpu" in device["capabilities"]
        assert said["build"]["args"] == {"TORCH": "cuda"}
        assert said["image"] != EVERYTHING["worker"].said["image"]


def test_trainings_and_scores_can_be_left_to_the_device() -> None:
    document = compose({**SECRETS, "CPU_REPLICAS": "0"})
    assert {n for n, s in document["services"].items() if s["deploy"].get("replicas") == "0"} == {"scorer", "trainer"}


def test_file_uses_what_yaml_means() -> None:
    """No key twice: the parser would keep the last one silently."""
    node = yaml.compose((ROOT / "docker-compose.yml").read_text())
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, yaml.MappingNode):
            keys = [key.value for key, _ in here.value]
            assert len(keys) == len(set(keys)), keys
            stack += [value for _, value in here.value]
        elif isinstance(here, yaml.SequenceNode):
            stack += here.value


def test_photos_come_before_scores_and_scores_before_trainings() -> None:
    usual = 1024
    shares = {name: int(part.said.get("cpu_shares", usual)) for name, part in EVERYTHING.items()}
    assert usual == shares["api"] == shares["redis"] == shares["worker"]
    assert usual > shares["scorer"] == shares["scorer-gpu"] > shares["trainer"] == shares["trainer-gpu"]
