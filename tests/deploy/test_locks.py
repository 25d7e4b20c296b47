"""What the images are built from is named exactly: packages by hash, images of others by digest where that is known."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy import dockerfile
from tests.deploy.composition import ROOT

FILES = ("docker/api.Dockerfile", "docker/worker.Dockerfile", "docker-compose.yml")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def lock(name: str) -> dict[str, str]:
    """Versions by name, every one with a hash."""
    text = re.sub(r"^#.*\n", "", (ROOT / "docker" / name).read_text(), flags=re.MULTILINE)
    found = {match[1]: match[2] for match in PIN.finditer(text)}
    assert PIN.sub("", text).strip() == "", "a line without a hash"
    return found


def constrained() -> dict[str, str]:
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    return {canonicalize_name(name): version for name, _, version in lines}


def missing(requirements: list[str], pins: dict[str, str]) -> list[str]:
    wanted = [Requirement(line) for line in requirements]
    return [str(r) for r in wanted if not r.specifier.contains(pins.get(canonicalize_name(r.name), "0"))]


def test_the_front_end_is_locked_as_it_is_tested() -> None:
    lines = (ROOT / "docker" / "api-requirements.txt").read_text().splitlines()
    assert missing([line for line in lines if not line.startswith("#")], lock("api.lock")) == []
    assert lock("api.lock").items() <= constrained().items()


def test_workers_are_locked_as_they_are_tested() -> None:
    printed = subprocess.run(
        [sys.executable, "docker/worker-requirements.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert missing(printed.splitlines(), {**lock("torch.lock"), **lock("worker.lock")}) == []
    assert lock("worker.lock").items() <= constrained().items()


def test_torch_is_locked_as_it_is_tested() -> None:
    """What comes with its CUDA build is not part of the tests, and pinned by the lock file alone."""
    pins, known = lock("torch.lock"), constrained()
    assert pins["torch"] == known["torch"]
    assert {name: version for name, version in pins.items() if known.get(name, version) != version} == {}


def test_what_builds_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert missing(project["build-system"]["requires"], lock("build.lock")) == []


@pytest.mark.parametrize("path", [dockerfile.API, dockerfile.WORKER], ids=lambda path: path.stem)
def test_images_install_nothing_without_hashes(path: Path) -> None:
    runs = " ".join(i.rest for i in dockerfile.read(path) if i.word == "RUN")
    installs = re.findall(r"pip install ([^&]*)", runs)
    assert installs
    for options in installs:
        ours = options.split() == ["--no-deps", "--no-build-isolation", "."]
        assert ours or "--require-hashes" in options, options


def test_digests_are_put_in_and_replaced(tmp_path: Path) -> None:
    """With a docker that knows one digest for each image."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    digests = {"python": "a" * 64, "redis": "b" * 64}
    for _ in range(2):
        pin(tmp_path, digests)
        for name in FILES:
            before, after = (ROOT / name).read_text(), (tmp_path / name).read_text()
            assert re.sub("@sha256:[0-9a-f]{64}", "", after) == re.sub("@sha256:[0-9a-f]{64}", "", before)
        found = re.findall(r"(python|redis):\S+@sha256:(\w+)", "".join((tmp_path / name).read_text() for name in FILES))
        assert sorted(found) == sorted([*[("python", digests["python"])] * 4, ("redis", digests["redis"])])
        digests = {"python": "c" * 64, "redis": "d" * 64}


def test_without_an_answer_nothing_is_written(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    with pytest.raises(subprocess.CalledProcessError):
        pin(tmp_path, {"python": "a" * 64, "redis": "no digest"})
    assert all((tmp_path / name).read_text() == (ROOT / name).read_text() for name in FILES)


def pin(root: Path, digests: dict[str, str]) -> None:
    stub = root / "bin" / "docker"
    stub.parent.mkdir(exist_ok=True)
    cases = "".join(f"{name}:*) echo sha256:{digest} ;;\n" for name, digest in digests.items())
    stub.write_text(f'#!/bin/sh\nfor image; do :; done\ncase "$image" in\n{cases}esac\n')
    stub.chmod(0o755)
    environment = {"PATH": f"{stub.parent}:/usr/bin:/bin"}
    subprocess.run([sys.executable, "docker/digests.py", str(root)], cwd=ROOT, env=environment, check=True)
