"""What all tests share: the one photo of a person they use."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage


@pytest.fixture(scope="session")
def astronaut_png() -> bytes:
    """A portrait of 512x512 pixels with one face (Eileen Collins, NASA, public domain)."""
    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For ``pytest -n``: a file stays in one process, files that share the session's service too, and long ones start.

    A file is long that has tests marked ``slow``. The last file to start decides how long everything takes.
    """
    if not hasattr(config, "workerinput"):
        return
    groups = {item.path: str(item.path.relative_to(config.rootpath)) for item in items}
    groups |= {item.path: "service" for item in items if "service" in getattr(item, "fixturenames", ())}
    slow = {groups[item.path] for item in items if item.get_closest_marker("slow")}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
    items.sort(key=lambda item: groups[item.path] not in slow)
