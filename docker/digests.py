"""Pin the images of others by digest: ``make digests``, with a docker that reaches their registry.

In ``NAME:TAG`` of the Dockerfiles and of the compose file the tag stays, for people; ``@sha256:…`` behind it decides.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FILES: Final = ("docker/api.Dockerfile", "docker/worker.Dockerfile", "docker-compose.yml")
IMAGE: Final = re.compile(
    r"^(?P<before>FROM |\s+image: )(?P<image>(?:python|redis):[\w.-]+)(?:@sha256:[0-9a-f]{64})?", re.MULTILINE
)
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@cache
def digest(image: str) -> str:
    """That of the list of an image's builds for all machines."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - names of our own files
    text = found.stdout.strip()
    if found.returncode or not DIGEST.fullmatch(text):
        sys.exit(f"no digest of {image}: {found.stderr.strip() or text}")
    return text


def main(root: Path) -> None:
    """Ask for all of them, then write."""
    texts = {path: (root / path).read_text() for path in FILES}
    pinned = {
        path: IMAGE.sub(lambda m: f"{m['before']}{m['image']}@{digest(m['image'])}", t) for path, t in texts.items()
    }
    for path, text in pinned.items():
        (root / path).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT)
