"""Who may import whom, and what a process must never load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

from app.contracts import names

ROOT = Path(__file__).parents[1]
PARTS = ("app", "perturbations", "worker")


def imports(path: Path, *, typing: bool = True) -> Iterator[str]:
    """Every module a file names in an import, wherever in the file, relative ones resolved.

    typing: those that are imported for type checking alone as well.
    """
    for base, name in _imports(path, typing=typing):
        yield base
        if name:
            yield f"{base}.{name}"


def loaded(path: Path, modules: set[str]) -> set[str]:
    """Those of ``modules`` a file imports, inside functions too; not what is imported for type checking alone.

    A package counts only where something is taken out of it that is no module: importing a module runs the packages
    above it as well, but says nothing about who depends on whom.
    """
    found = {f"{base}.{name}" if f"{base}.{name}" in modules else base for base, name in _imports(path, typing=False)}
    return (found & modules) - {module_of(path)}


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, which many tests look at."""
    return ast.parse(path.read_text())


@cache
def _imports(path: Path, *, typing: bool) -> tuple[tuple[str, str], ...]:
    """The module of each import, and the name that is taken out of it, if one is."""
    return tuple(_found_imports(path, typing=typing))


def _found_imports(path: Path, *, typing: bool) -> Iterator[tuple[str, str]]:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    tree = parsed(path)
    for_typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    left_out = set() if typing else {id(inner) for block in for_typing for one in block.body for inner in ast.walk(one)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Paths that come back to where they began."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for other in sorted(graph[module]):
                visit(other, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return found


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


def test_no_imports_go_round_in_a_circle() -> None:
    paths = {module_of(file): file for part in PARTS for file in files(part)}
    assert circles({module: loaded(path, set(paths)) for module, path in paths.items()}) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c", "b"]]


NEIGHBOURS = ("connect", "storage_of", "FolderStorage", "S3Storage", "Sentinel", "from_url", "from_pool")
REPOSITORIES = ("Jobs", "Trainings", "Versions", "Datasets", "Generators", "Blobs", "JobLeases")
ROOTS = {"worker/process.py", "app/main.py"}
ELSEWHERE = {
    # where they are made, for the roots to call
    "app/contracts/redis/connection.py": {"connect", "Sentinel", "from_url"},
    "app/contracts/storage/__init__.py": {"FolderStorage", "S3Storage"},
    # the leases are a part of the records of jobs
    "app/contracts/records/jobs.py": {"JobLeases"},
    # the Redis that `poise serve` starts is asked whether it is up before there are settings that name it
    "worker/serve/embedded_redis.py": {"Redis", "from_url"},
}


def test_only_the_composition_roots_make_connections_and_repositories() -> None:
    wanted = {*NEIGHBOURS, *REPOSITORIES, "Redis"}
    wrong = []
    for file in [*files("app"), *files("worker")]:
        here = str(file.relative_to(ROOT))
        calls = (node.func for node in ast.walk(parsed(file)) if isinstance(node, ast.Call))
        # signals and sockets have a `connect` of their own
        names = {call.id if isinstance(call, ast.Name) else call.attr for call in calls if _builds(call)}
        wrong += [(here, name) for name in (names & wanted) - ELSEWHERE.get(here, set()) if here not in ROOTS]
    assert wrong == []


def _builds(call: ast.expr) -> TypeGuard[ast.Name | ast.Attribute]:
    """Whether a call is one by a name; of attributes, only those of a class count."""
    return isinstance(call, ast.Name) or (isinstance(call, ast.Attribute) and call.attr != "connect")


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


def test_only_worker_children_load_torch() -> None:
    light = [
        *("app.main", "app.server", "worker.serve.launcher", "worker.cli", "worker.probe"),
        *("worker.process", "worker.queue.tasks", "worker.queue.celery_app", "worker.queue.child"),
    ]
    code = f"""
import importlib, sys
for module in {light}:
    importlib.import_module(module)
    assert "torch" not in sys.modules, module
"""
    environment = {"POISE_REDIS_URL": "redis://127.0.0.1:1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked from it")
def test_what_workers_are_forked_from_has_no_threads_and_no_device_and_ends_with_the_launcher() -> None:
    code = """
import ctypes, os, signal, threading, worker.serve.preloaded, torch
assert threading.active_count() == 1
assert not torch.cuda.is_initialized()
assert os.getsid(0) == os.getpid()
how, pr_get_pdeathsig = ctypes.c_int(), 2
assert ctypes.CDLL(None).prctl(pr_get_pdeathsig, ctypes.byref(how)) == 0
assert how.value == signal.SIGKILL
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_engine_is_told_what_to_use_and_reads_no_environment() -> None:
    wrong = [
        str(file)
        for file in files("perturbations")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert wrong == []


def test_the_defaults_of_a_training_exist() -> None:
    from perturbations.training.config import PRESETS
    from perturbations.weighting import names as weightings

    assert names.DEFAULT_WEIGHTING in weightings()
    assert names.DEFAULT_PRESET in PRESETS


def test_the_largest_picture_is_the_same_on_both_sides() -> None:
    from perturbations.images import MAX_PIXELS

    assert names.MAX_PIXELS == MAX_PIXELS


def test_nothing_prints_outside_the_command_line() -> None:
    for part in PARTS:
        for file in files(part):
            calls = [n for n in ast.walk(parsed(file)) if isinstance(n, ast.Call)]
            assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls), file
