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
    """For ``pytest -n``: one file with tests marked ``slow`` comes first, then a few others, and so on.

    The slow ones mostly wait, and the others mostly compute.
    """
    if not hasattr(config, "workerinput"):
        return
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    files = list(dict.fromkeys(item.path for item in items))
    place = {path: number * _OTHERS for number, path in enumerate(path for path in files if path in slow)}
    place |= {path: number for number, path in enumerate(path for path in files if path not in slow)}
    items.sort(key=lambda item: (place[item.path], item.path not in slow))
