"""Inspects large archives in a separate process, so that the front end neither waits nor grows, whatever they hold.

``python -m app.archives.apart MAX_BYTES`` is that process. It reads the archive from standard input and writes what it
found to standard output.
"""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import BaseModel, ValidationError

from app.archives.contents import Contents, check_archive
from app.contracts.logs import event
from app.contracts.problems import Problem, Unprocessable, UnsupportedMedia

_log = logging.getLogger(__name__)

SMALL: Final = 1_000_000
"""Bytes up to which an archive is inspected in this process."""
_MEMORY: Final = 1_000_000_000
_SECONDS: Final = 600
"""Of a processor."""
_WAIT_SECONDS: Final = 1_800
_PROBLEMS: Final[dict[str, type[Problem]]] = {kind.slug: kind for kind in (Unprocessable, UnsupportedMedia)}


class Finding(BaseModel):
    """What the process says: the contents, or the kind of a problem and its detail."""

    faces: int = 0
    ignored: int = 0
    problem: str | None = None
    detail: str = ""


def inspect(path: Path, *, max_bytes: int) -> Contents:
    """What an uploaded archive holds, see :func:`check_archive`. Large ones are inspected in a separate process.

    Raises:
        UnsupportedMedia: it is not a ZIP file.
        Unprocessable: it cannot be used, or needs more time or memory than it may have.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size <= SMALL:
            return check_archive(file, max_bytes=max_bytes)
        finding = _asked(file, max_bytes)
    if finding.problem is not None:
        raise _PROBLEMS[finding.problem](finding.detail)
    return Contents(finding.faces, finding.ignored)


def _asked(file: BinaryIO, max_bytes: int) -> Finding:
    command = [sys.executable, "-m", "app.archives.apart", str(max_bytes)]
    try:
        said = subprocess.run(command, stdin=file, capture_output=True, timeout=_WAIT_SECONDS, check=True)  # noqa: S603 - our own
        return Finding.model_validate_json(said.stdout)
    except (subprocess.SubprocessError, ValidationError) as error:
        event(_log, "archive.given_up", level=logging.WARNING, error=type(error).__name__)
        raise Unprocessable(
            "The archive takes too long or too much memory to inspect. Send fewer pictures at a time."
        ) from None


def main() -> None:
    """Inspect standard input, within limits."""
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _SECONDS)):
        with suppress(OSError, ValueError):  # not every system knows it
            resource.setrlimit(limit, (most, most))
    os.nice(5)
    try:
        contents = check_archive(sys.stdin.buffer, max_bytes=int(sys.argv[1]))
        finding = Finding(faces=contents.faces, ignored=contents.ignored)
    except (Unprocessable, UnsupportedMedia) as problem:
        finding = Finding(problem=problem.slug, detail=problem.detail)
    sys.stdout.write(finding.model_dump_json())


if __name__ == "__main__":
    main()
