"""What all tests share: the one photo of a person they use."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage

_OTHERS = 4
"""Files that come between two slow ones."""


@pytest.fixture(scope="session")
def astronaut_png() -> bytes:
    """A portrait of 512x512 pixels with one face (Eileen Collins, NASA, public domain)."""
    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For ``pytest -n``: a file stays in one process, and files that share the session's service stay together.

    Files with tests marked ``slow`` mostly wait, and the others mostly compute. So they take turns: one slow file, then
    a few others.
    """
    if not hasattr(config, "workerinput"):
        return
    groups = {item.path: str(item.path.relative_to(config.rootpath)) for item in items}
    groups |= {item.path: "service" for item in items if "service" in getattr(item, "fixturenames", ())}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
    slow = {groups[item.path] for item in items if item.get_closest_marker("slow")}
    named = list(dict.fromkeys(groups[item.path] for item in items))
    place = {name: number * _OTHERS for number, name in enumerate(name for name in named if name in slow)}
    place |= {name: number for number, name in enumerate(name for name in named if name not in slow)}
    items.sort(key=lambda item: (place[groups[item.path]], groups[item.path] not in slow))
