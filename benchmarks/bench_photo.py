"""Time protecting and scoring one photo, without the service around it.

make bench        or: .venv/bin/python benchmarks/bench_photo.py [--repeat 5]
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import skimage.data
from PIL import Image

from perturbations.artifact import active
from perturbations.checkpoints.shipped import load_surrogates
from perturbations.protect import protect_photo
from perturbations.score import score_photo


def seconds(work: Callable[[], object], repeat: int) -> float:
    """The median of ``repeat`` runs after a first one."""
    work()
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    targets, twins, perturbation = load_surrogates(), load_surrogates(twins=True), active()
    astronaut = Image.fromarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    print("| photo | protect, s | score, s |")
    print("|---|---|---|")
    for side in (512, 1024, 3000):
        buffer = io.BytesIO()
        astronaut.resize((side, side)).save(buffer, "JPEG", quality=92)
        photo = buffer.getvalue()
        protected = protect_photo(photo, perturbation).data
        protecting = seconds(lambda photo=photo: protect_photo(photo, perturbation), repeat)  # type: ignore[misc]
        scoring = seconds(
            lambda photo=photo, copy=protected: score_photo(photo, copy, targets=targets, twins=twins),  # type: ignore[misc]
            repeat,
        )
        print(f"| {side}×{side} JPEG | {protecting:.2f} | {scoring:.2f} |", flush=True)


if __name__ == "__main__":
    main()
