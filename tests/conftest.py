"""What all tests share: the one photo of a person they use, and how they are shared out among processes."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Final

import pytest
import skimage
from xdist.scheduler import LoadScopeScheduling

from tests.helpers.forked import Forked
from worker.generators import confined

SHARED_SERVICE: Final = "service: Running"
"""How a test asks for the service that many files share (see tests/service/conftest.py)."""
STRAINED_SERVICE: Final = "lives: Lives"
"""How a test asks for the service that others kill and restart."""
_WITH_THE_BROWSER: Final = "test_readiness.py"
"""What mostly waits."""
_OTHERS: Final = 4
"""Files that come between two slow ones."""
_ROOT: Final = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def astronaut_png() -> bytes:
    """A portrait of 512x512 pixels with one face (Eileen Collins, NASA, public domain)."""
    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


@pytest.fixture(autouse=True)
def confined_processes_start_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test is about the new interpreter."""
    if request.node.get_closest_marker("new_interpreter") is None:
        monkeypatch.setattr(confined, "_started", Forked)


def pytest_sessionstart() -> None:
    """Nothing is thrown away while tests are collected: looking for it would take a tenth of that time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays, and need not be looked at again and again."""
    gc.freeze()
    gc.enable()


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of a file run in one process, and those of all files that share a service in one as well.

    So there is one such service, not one for every process. It comes first, since it takes longest.
    """

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        self._scopes: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file not in self._scopes:
            self._scopes[file] = scope(_ROOT / file)
        return self._scopes[file]


def scope(file: Path) -> str:
    """What a file runs in one process with. Those that wait longest for a service share another one."""
    text = file.read_text(encoding="utf-8")
    if STRAINED_SERVICE in text:
        return "lives"
    if SHARED_SERVICE not in text:
        return str(file)
    return "browser" if file.parent.name == "browser" or file.name == _WITH_THE_BROWSER else "service"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """For ``pytest -n``."""
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For ``pytest -n``: first what shares a service, then one file with ``slow`` tests, a few others, and so on.

    The slow ones mostly wait, and the others mostly compute.
    """
    if not hasattr(config, "workerinput"):
        return
    files = list(dict.fromkeys(item.path for item in items))
    sharing = {path for path in files if scope(path) != str(path)}
    slow = {item.path for item in items if item.get_closest_marker("slow")} - sharing
    place = {path: number * _OTHERS for number, path in enumerate(path for path in files if path in slow)}
    place |= {path: number for number, path in enumerate(path for path in files if path not in slow)}
    items.sort(key=lambda item: (item.path not in sharing, place[item.path], item.path not in slow))
