"""How long photos wait while one client sends the slowest ones it may.

    .venv/bin/python -m benchmarks.neighbours [--format avif] [--every 10] [--photos 60] [--pause 1]

Starts a service of its own. First ``--photos`` ordinary photos go alone, one every ``--pause`` seconds, then as many
while another client sends the largest accepted picture of ``--format`` every ``--every`` seconds. Prints one JSON
document: the seconds from the upload to the protected copy, without and with that client. Exit status 1 if one failed.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import skimage.data
from PIL import Image

from benchmarks.load import photos
from tests.service.helpers import running

PATIENCE: Final = 300.0
SIDES: Final = {"avif": 5600, "jpeg": 7000, "png": 7000, "webp": 7000}
"""An AVIF of more than 32 megapixels gets no copy in its own format."""
SAVED: Final[dict[str, dict[str, int]]] = {
    "avif": {"quality": 60, "speed": 10},
    "jpeg": {"quality": 90},
    "png": {"compress_level": 1},
    "webp": {"quality": 80, "method": 0},
}


def slow_photo(kind: str) -> bytes:
    """A picture that takes its format the longest, as far as the limits allow."""
    astronaut = Image.fromarray(skimage.data.astronaut()).resize((SIDES[kind], SIDES[kind]))  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    astronaut.save(written, kind.upper(), **SAVED[kind])
    return written.getvalue()


def protected_after(http: httpx.Client, image: bytes) -> float:
    """Seconds until the copy exists; infinite where it never does."""
    began = time.monotonic()
    answer = http.post("/v1/protections", files={"image": ("photo", image)}, data={"scores": "false"})
    answer.raise_for_status()
    while time.monotonic() - began < PATIENCE:
        status = http.get(answer.headers["Location"]).json()["status"]
        if status in ("protected", "failed"):
            return time.monotonic() - began if status == "protected" else float("inf")
        time.sleep(0.1)
    return float("inf")


def ordinary(url: str, images: Sequence[bytes], pause: float) -> list[float]:
    """Send one after the other, whether or not those before are done."""
    with httpx.Client(base_url=url, timeout=PATIENCE) as http, ThreadPoolExecutor(len(images)) as pool:
        waiting = []
        for image in images:
            waiting.append(pool.submit(protected_after, http, image))
            time.sleep(pause)
        return [one.result() for one in waiting]


@contextmanager
def sending(url: str, image: bytes, every: float) -> Any:
    """Send ``image`` every so many seconds while the block runs; yields what it was answered."""
    over, answers = threading.Event(), Counter[int]()

    def send() -> None:
        with httpx.Client(base_url=url, timeout=PATIENCE) as http:
            while not over.wait(every):
                sent = http.post("/v1/protections", files={"image": ("slow", image)}, data={"scores": "false"})
                sent.raise_for_status()  # one that is refused keeps nobody waiting
                answers[sent.status_code] += 1

    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(send)
        try:
            yield answers
        finally:
            over.set()
        sender.result()


def figures(seconds: Sequence[float]) -> dict[str, float | None]:
    """What is told of waits; null where a photo of that rank was not protected at all."""
    shares = {"median": 0.5, "p95": 0.95, "worst": 1.0}
    ranked = sorted(seconds)
    found = {name: ranked[math.ceil(share * len(ranked)) - 1] for name, share in shares.items()}
    return {name: round(value, 2) if math.isfinite(value) else None for name, value in found.items()}


def measured(url: str, arguments: argparse.Namespace, log: Callable[[], str]) -> dict[str, Any]:
    """Both rounds."""
    images = photos(2 * arguments.photos, 1000)
    alone = ordinary(url, images[: arguments.photos], arguments.pause)
    slow = slow_photo(arguments.format)
    with sending(url, slow, arguments.every) as answers:
        time.sleep(2 * arguments.every)
        beside = ordinary(url, images[arguments.photos :], arguments.pause)
    return {
        "slow": {"format": arguments.format, "bytes": len(slow), "answers": dict(answers)},
        "killed_at_the_time_limit": log().count("Hard time limit"),
        "alone": figures(alone),
        "beside": figures(beside),
        "failed": sum(one == float("inf") for one in (*alone, *beside)),
    }


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=sorted(SAVED), default="avif")
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--pause", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = running.start(Path(name) / "var")
        try:
            found = measured(run.url, arguments, run.log.read_text)
        finally:
            run.stop()
    print(json.dumps(found, indent=1))
    sys.exit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
