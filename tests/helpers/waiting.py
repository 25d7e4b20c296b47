"""Waiting for what cannot tell by itself that it has happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

Found = TypeVar("Found")


def until(found: Callable[[], Found | Literal[False]], *, seconds: float = 240.0, every: float = 0.1) -> Found:
    """What ``found`` returns once that is true.

    Raises:
        AssertionError: it is not within so many seconds.
    """
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(every)
    return value
