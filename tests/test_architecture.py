"""Who may import whom, and what a process must never load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contracts import names

ROOT = Path(__file__).parents[1]
PARTS = ("app", "perturbations", "worker")


def imports(path: Path) -> Iterator[str]:
    """Every module a file names in an import, wherever in the file, relative ones resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def files(part: str) -> list[Path]:
    found = sorted((ROOT / part).rglob("*.py"))
    assert found
    return found


def belongs(module: str, to: str) -> bool:
    return module == to or module.startswith(to + ".")


@pytest.mark.parametrize(
    ("part", "others"),
    [("app", ("perturbations", "worker", "torch")), ("perturbations", ("app", "worker", "celery", "fastapi", "redis"))],
)
def test_imports_go_one_way(part: str, others: tuple[str, ...]) -> None:
    wrong = [(str(f), m) for f in files(part) for m in imports(f) if any(belongs(m, other) for other in others)]
    assert wrong == []


def test_worker_knows_only_the_contract_of_the_front_end() -> None:
    wrong = [
        (str(file), module)
        for file in files("worker")
        for module in imports(file)
        if belongs(module, "app") and module != "app" and not belongs(module, "app.contracts")
    ]
    assert wrong == []


DIRECTIONS = {
    # folder: the folders of the same package it may not import, because they stand above it
    "app/contracts": ("app.archives", "app.guards", "app.photos", "app.routes", "app.service", "app.main"),
    "app/contracts/redis": ("app.contracts.records", "app.contracts.storage"),
    "app/contracts/storage": ("app.contracts.records", "app.contracts.redis"),
    "app/photos": ("app.archives", "app.guards", "app.routes", "app.service", "app.main"),
    "app/archives": ("app.guards", "app.routes", "app.service", "app.main"),
    "app/guards": ("app.archives", "app.routes", "app.main"),
    "app/routes": ("app.main",),
    "perturbations/photo": ("perturbations.targets", "perturbations.training", "perturbations.checkpoints"),
    "perturbations/targets/networks": (
        "perturbations.targets.interface",
        "perturbations.targets.registry",
        "perturbations.checkpoints",
        "perturbations.training",
    ),
    "perturbations/targets": ("perturbations.checkpoints", "perturbations.evaluation", "perturbations.training"),
    "perturbations/weighting": ("perturbations.targets", "perturbations.evaluation", "perturbations.training"),
    "perturbations/checkpoints": ("perturbations.evaluation", "perturbations.training", "perturbations.weighting"),
    "perturbations/evaluation": ("perturbations.training", "perturbations.weighting"),
    "worker/queue": ("worker.commands",),
    "worker/training": ("worker.commands",),
    "worker/generators": ("worker.commands", "worker.queue", "worker.training"),
    "worker/serve": ("worker.commands", "worker.training"),
}


@pytest.mark.parametrize("folder", DIRECTIONS)
def test_a_folder_imports_none_that_stands_above_it(folder: str) -> None:
    wrong = [
        (str(file), module)
        for file in files(folder)
        for module in imports(file)
        if any(belongs(module, above) for above in DIRECTIONS[folder])
    ]
    assert wrong == []


def test_the_running_service_and_the_engine_never_import_the_lab() -> None:
    lab = ROOT / "perturbations" / "lab"
    makers = ROOT / "worker" / "commands"  # the commands that make what ships, run by hand
    wrong = [
        (str(file), module)
        for part in PARTS
        for file in files(part)
        if lab not in file.parents and makers not in file.parents
        for module in imports(file)
        if belongs(module, "perturbations.lab")
    ]
    assert wrong == []


def test_contract_is_light() -> None:
    heavy = ("fastapi", "starlette", "celery", "kombu", "torch", "numpy", "PIL")
    wrong = [
        (str(file), module)
        for file in files("app/contracts")
        for module in imports(file)
        if any(belongs(module, name) for name in heavy)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "module", ["app.main", "app.server", "worker.serve.launcher", "worker.queue.tasks", "worker.cli"]
)
def test_only_worker_children_load_torch(module: str) -> None:
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    environment = {"POISE_REDIS_URL": "redis://127.0.0.1:1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_names_of_the_contract_are_those_of_the_registries() -> None:
    from perturbations.targets import registry
    from perturbations.weighting import names as weightings

    assert tuple(registry.ARCHITECTURES) == names.ARCHITECTURES
    assert set(weightings()) == set(names.WEIGHTINGS)


def test_the_largest_picture_is_the_same_on_both_sides() -> None:
    from perturbations.images import MAX_PIXELS

    assert names.MAX_PIXELS == MAX_PIXELS


def test_nothing_prints_outside_the_command_line() -> None:
    for part in PARTS:
        for file in files(part):
            calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
            assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls), file
