"""The examples of a document, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.helpers.running import Running

DOCS = Path(__file__).parents[3] / "docs"

needs_curl_and_jq = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")


def blocks(document: str, language: str) -> str:
    """All examples in one language, one after the other."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", (DOCS / document).read_text(), re.DOTALL))


def run(command: list[str], service: Running, folder: Path, **environment: str) -> str:
    """The output of a command that gets the address of the service; it must succeed."""
    told = {**os.environ, "POISE": service.url, **environment}
    done = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_shell(script: str, service: Running, folder: Path, **environment: str) -> str:
    """What a script prints; its first failure, in a pipe too, ends it."""
    return run(["bash", "-euo", "pipefail", "-c", script], service, folder, **environment)
