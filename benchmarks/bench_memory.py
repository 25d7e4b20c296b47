"""Measure the memory of a process that protects, at its peak, one fresh process per photo.

make bench        or: .venv/bin/python benchmarks/bench_memory.py [--before REVISION] [--only TEXT]

The peak is what Linux calls VmHWM: resident memory, of the imports of a worker, the photo's file and all work on it.
With ``--before`` every photo is given to an earlier revision of the project as well.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Case:
    """A photo and what its copy is asked to be. face: whether there is one; without, the whole frame is changed."""

    side: int
    source: str
    mode: str
    target: str = "keep"
    face: bool = True

    @property
    def name(self) -> str:
        megapixels = round(self.side**2 / 1e6)
        what = "a face" if self.face else "no face"
        return f"{megapixels} megapixels, {what}, {self.mode} {self.source} to {self.target}"


CASES: Final = (
    Case(1000, "JPEG", "RGB"),
    Case(3464, "JPEG", "RGB"),
    Case(7000, "JPEG", "RGB"),
    Case(7000, "JPEG", "RGB", face=False),
    Case(7000, "JPEG", "L", face=False),
    Case(7000, "PNG", "RGBA", "jpeg"),
    Case(7000, "PNG", "RGBA", "jpeg", face=False),
    Case(7000, "PNG", "RGBA"),
    Case(7000, "PNG", "LA", face=False),
    Case(7000, "PNG", "I;16", face=False),
    Case(7000, "WEBP", "RGBA", face=False),
    Case(5656, "AVIF", "RGB", face=False),
    Case(5656, "AVIF", "RGBA", face=False),
    Case(4898, "AVIF", "RGB", face=False),
    Case(7000, "AVIF", "RGBA", "jpeg", face=False),
)


def draw(case: Case, path: Path) -> None:
    """The photo of a case: the astronaut, or her suit where there is to be no face; alpha is a gradient."""
    import numpy as np  # noqa: PLC0415 - in a process of its own, so that the others start small
    import skimage.data  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    whole = Image.fromarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    part = whole if case.face else whole.crop((0, 300, 200, 500))
    picture = part.resize((case.side, case.side))
    if case.mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(case.mode)
    if case.mode in ("RGBA", "LA"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    options: dict[str, Any] = {"speed": 10} if case.source == "AVIF" else {"method": 0} if case.source == "WEBP" else {}
    picture.save(path, case.source, **options)


def protect(path: Path, target: str) -> None:
    """Protect a photo as a worker does, and print the peak in bytes and the seconds it took."""
    import torch  # noqa: PLC0415 - the first process measured here must not be the one that measures

    from perturbations.artifact import active  # noqa: PLC0415
    from perturbations.protect import protect_photo  # noqa: PLC0415

    # what a worker has loaded counts; --before may mean a commit that has it elsewhere
    import_module("worker.queue.stages" if find_spec("worker.queue") else "worker.stages")
    torch.set_num_threads(1)
    began = time.monotonic()
    protect_photo(path.read_bytes(), active(), format=target)
    print(peak(), time.monotonic() - began)


def peak() -> int:
    """Resident memory of this process at its peak, in bytes. ``getrusage`` would count that of whoever started it."""
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def measured(project: Path, photo: Path, target: str) -> str:
    """Peak and seconds of the code in ``project``, as a cell of the table."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_memory.py"), "--protect", str(photo), target]
    done = subprocess.run(  # noqa: S603 - this very file
        command, env={**os.environ, "PYTHONPATH": str(project)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    size, seconds = map(float, done.stdout.split())
    return f"{size / 1e9:.2f} GB, {seconds:.1f} s"


def unpacked(revision: str, folder: Path) -> Path:
    """An earlier revision's files below ``folder``."""
    packed = subprocess.run(  # noqa: S603
        ["git", "archive", revision, "perturbations", "worker", "app"],  # noqa: S607
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def table(cases: Sequence[Case], before: str | None) -> None:
    """One row per case, as Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        projects = {"peak, time": ROOT}
        if before is not None:
            projects = {before: unpacked(before, Path(scratch, "before")), "now": ROOT}
        print(f"| photo | {' | '.join(projects)} |")
        print("|---" * (len(projects) + 1) + "|")
        photo = Path(scratch, "photo")
        for case in cases:
            subprocess.run([sys.executable, __file__, "--draw", str(CASES.index(case)), str(photo)], check=True)  # noqa: S603
            cells = [measured(project, photo, case.target) for project in projects.values()]
            print(f"| {case.name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Parse; then draw, protect, or do both in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="a git revision to compare with")
    parser.add_argument("--only", default="", help="only the photos whose row contains this")
    parser.add_argument("--draw", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--protect", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.draw:
        draw(CASES[int(asked.draw[0])], Path(asked.draw[1]))
    elif asked.protect:
        protect(Path(asked.protect[0]), asked.protect[1])
    else:
        table([case for case in CASES if asked.only in case.name], asked.before)


if __name__ == "__main__":
    main()
