"""Folders that cannot be read, for whoever runs the tests: an administrator may read everything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


def close(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Refuse to list folders of this name."""
    scan = os.scandir

    def refusing(path: str) -> Any:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
