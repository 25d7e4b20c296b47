"""Tests compiled before several processes collect them, each of which would compile all of them for itself.

pytest rewrites assertions when it imports a test, and keeps what it compiled; from a fresh clone that takes four
seconds. It has no public way to do so beforehand: where its own functions are others, each process compiles for itself.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite


def compile_tests(folder: Path, config: pytest.Config) -> None:
    """Compile what pytest will import from ``folder``, unless that is kept already."""
    if sys.dont_write_bytecode:
        return
    private: Any = rewrite
    with suppress(AttributeError, KeyError, TypeError, OSError):
        state = config.stash[private.assertstate_key]
        for file in (*folder.rglob("test_*.py"), *folder.rglob("conftest.py")):
            kept = private.get_cache_dir(file) / f"{file.stem}{private.PYC_TAIL}"
            if private._read_pyc(file, kept) is None:
                about, code = private._rewrite_test(file, config)
                private.try_makedirs(kept.parent)
                private._write_pyc(state, code, about, kept)
