"""The examples of ``docs/api.md``, as they stand there."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.service.running import Running

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL))


def run(command: list[str], service: Running, folder: Path, photo: bytes) -> str:
    with Image.open(io.BytesIO(photo)) as image:
        image.convert("RGB").save(folder / "photo.jpg", quality=95)
    environment = {**os.environ, "POISE": service.url}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_shell(service: Running, tmp_path: Path, astronaut_png: bytes) -> None:
    shown = run(["bash", "-euo", "pipefail", "-c", blocks("sh")], service, tmp_path, astronaut_png)
    assert "event: report" in shown
    for name in ("protected.png", "made.png"):
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"


def test_python(service: Running, tmp_path: Path, astronaut_png: bytes) -> None:
    shown = run([sys.executable, "-c", blocks("python")], service, tmp_path, astronaut_png)
    assert "stargan" in shown
    with Image.open(tmp_path / "protected.jpg") as image:
        assert image.format == "JPEG"
