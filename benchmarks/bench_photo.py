"""Time protecting one photo beside decoding and encoding the same file with the same settings, and measure its memory.

make bench        or: .venv/bin/python benchmarks/bench_photo.py [--repeat 7] [--megapixels 0.3,1,12,48] [--score]

One thread, processor time, the median of several runs in turn. The photo is the astronaut with the grain of a camera.
The peak of memory is that of a fresh process, above what it holds once its libraries are loaded.
"""

from __future__ import annotations

import argparse
import io
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image

from perturbations import pattern, protect
from perturbations.artifact import Perturbation, active
from perturbations.checkpoints.shipped import load_surrogates
from perturbations.faces import Face, Found, locate
from perturbations.images import RgbArray
from perturbations.photo.encode import Encoder
from perturbations.score import score_photo

STAGES: Final = {
    "decode": "decode",
    "reduced": "reduce",
    "looks_grey": "grey?",
    "carried": "carried?",
    "rgb": "copy parts",
    "add": "add",
    "measure": "quality",
}
"""What ``perturbations.protect`` calls, and the columns it is counted in."""
GRAIN: Final = 6.0
_MOST: Final = 1 << 20
"""Pixels of grain; more of the same follows."""


def photo(megapixels: float) -> bytes:
    """A JPEG of quality 92 with half the colours, square."""
    side = round((megapixels * 1e6) ** 0.5)
    astronaut = Image.fromarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    pixels = np.asarray(astronaut.resize((side, side), Image.Resampling.BICUBIC))
    tile = min(side, int(_MOST**0.5))
    grain = cv2.GaussianBlur(
        np.random.default_rng(0).normal(0.0, 1.5 * GRAIN, (tile, tile, 3)).astype(np.float32), (0, 0), 0.6
    )
    times = -(-side // tile)
    grained = cv2.add(pixels, np.tile(grain, (times, times, 1))[:side, :side], dtype=cv2.CV_8U)
    written = io.BytesIO()
    Image.fromarray(grained.astype(np.uint8)).save(written, "JPEG", quality=92)
    return written.getvalue()


def known_face(image: RgbArray) -> Face:
    """Where the face of the astronaut is: the work is that for one face, whatever a detector finds."""
    times = image.shape[1] / 512
    return Face(round(178 * times), round(66 * times), round(95 * times), round(95 * times), 0.9)


def as_it_is(data: bytes, settings: dict[str, Any]) -> None:
    """Decode a file and encode it again."""
    image = Image.open(io.BytesIO(data))
    image.load()
    image.save(io.BytesIO(), **settings)


class Clock:
    """Adds up the processor time of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.settings: dict[str, Any] = {}

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return work(*given, **named)
            finally:
                self.seconds[name] += time.process_time() - began

        return run

    def protect(self, data: bytes, perturbation: Perturbation) -> float:
        """Protect a photo of a size of face not met before; the seconds it took."""
        pattern.forget(perturbation)
        self.seconds.clear()

        def encode(encoder: Encoder) -> bytes:
            self.settings = dict(encoder.options)
            found: bytes = self.timed("encode", original_encode)(encoder)
            return found

        original_encode, original_parts = Encoder.__call__, Encoder.delivered

        def delivered(encoder: Encoder, *given: Any) -> Any:
            return iter(self.timed("quality", lambda: list(original_parts(encoder, *given)))())

        def locator(image: RgbArray, *, reduction: float = 1.0) -> Found:
            self.timed("find faces", locate)(image, reduction=reduction)
            return Found((known_face(image),))

        with ExitStack() as stack:
            for function, stage in STAGES.items():
                stack.enter_context(patch.object(protect, function, self.timed(stage, getattr(protect, function))))
            stack.enter_context(patch.object(Encoder, "__call__", encode))
            stack.enter_context(patch.object(Encoder, "delivered", delivered))
            began = time.process_time()
            protect.protect_photo(data, perturbation, locator=locator)
            return time.process_time() - began


def row(megapixels: float, perturbation: Perturbation, repeat: int) -> str:
    """One row of the table."""
    data, clock = photo(megapixels), Clock()
    clock.protect(data, perturbation)
    coded, protecting, stages = [], [], []
    for _ in range(repeat):
        began = time.process_time()
        as_it_is(data, clock.settings)
        coded.append(time.process_time() - began)
        protecting.append(clock.protect(data, perturbation))
        stages.append(dict(clock.seconds))
    median = {name: statistics.median(each[name] for each in stages) for name in stages[0]}
    usual, whole = statistics.median(coded), statistics.median(protecting)
    without = statistics.median(seconds - each["find faces"] for seconds, each in zip(protecting, stages, strict=True))
    cells = [
        f"{megapixels:g} MP, {len(data) / 1e6:.1f} MB",
        f"{usual * 1e3:.1f}",
        f"{whole * 1e3:.1f}",
        *(f"{median.get(name, 0.0) * 1e3:.1f}" for name in columns()),
        f"{whole / usual:.2f}",
        f"{without / usual:.2f}",
        f"{memory(data) / (megapixels * 1e6):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def columns() -> tuple[str, ...]:
    """The stages, in the order of the table."""
    return ("decode", "reduce", "find faces", "grey?", "carried?", "copy parts", "add", "encode", "quality")


def memory(data: bytes) -> int:
    """Bytes that protecting takes a fresh process at its peak, above what it holds before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo")
        path.write_bytes(data)
        done = subprocess.run(  # noqa: S603 - this very file
            [sys.executable, __file__, "--peak", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    return int(done.stdout)


def print_peak(path: Path) -> None:
    """Protect a photo after a small one, and print by how many bytes the peak rose."""
    perturbation = active()
    clock = Clock()
    clock.protect(photo(0.4), perturbation)
    before = peak()
    clock.protect(path.read_bytes(), perturbation)
    print(peak() - before)


def peak() -> int:
    """Resident memory of this process at its peak, in bytes. ``getrusage`` would count that of whoever started it."""
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def print_scoring(perturbation: Perturbation, repeat: int) -> None:
    """How long scoring takes beside protecting."""
    targets, twins = load_surrogates(), load_surrogates(twins=True)
    original = photo(1.0)
    copy = protect.protect_photo(original, perturbation).data
    taken = []
    for _ in range(1 + repeat):
        began = time.perf_counter()
        score_photo(original, copy, targets=targets, twins=twins)
        taken.append(time.perf_counter() - began)
    print(f"\nscoring 1 MP: {statistics.median(taken[1:]):.2f} s")


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--megapixels", default="0.3,1,12,48")
    parser.add_argument("--score", action="store_true", help="time scoring as well")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if asked.peak:
        print_peak(asked.peak)
        return
    perturbation = active()
    heads = ["photo", "decode+encode, ms", "protect, ms", *columns(), "ratio", "ratio without finding", "peak, B/pixel"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for megapixels in asked.megapixels.split(","):
        print(row(float(megapixels), perturbation, asked.repeat), flush=True)
    if asked.score:
        print_scoring(perturbation, asked.repeat)


if __name__ == "__main__":
    main()
