"""The examples of ``docs/api.md``, as they stand there."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.service.helpers.examples import blocks, needs_curl_and_jq, run, run_shell
from tests.service.helpers.running import Running


@pytest.fixture
def folder(tmp_path: Path, astronaut_png: bytes) -> Path:
    """A folder with the photo the examples speak of."""
    with Image.open(io.BytesIO(astronaut_png)) as image:
        image.convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    return tmp_path


@needs_curl_and_jq
def test_shell(service: Running, folder: Path) -> None:
    shown = run_shell(blocks("api.md", "sh"), service, folder)
    assert "event: report" in shown
    for name in ("protected.png", "made.png"):
        with Image.open(folder / name) as image:
            assert image.format == "PNG"


def test_python(service: Running, folder: Path) -> None:
    shown = run([sys.executable, "-c", blocks("api.md", "python")], service, folder)
    assert "stargan" in shown
    with Image.open(folder / "protected.jpg") as image:
        assert image.format == "JPEG"
