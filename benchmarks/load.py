"""Many photos from many clients at once: how long each waits for its protected copy, and how many a second there are.

    .venv/bin/python -m benchmarks.load [--photos 300] [--clients 20] [--side 1000]

Starts a service of its own. Every photo is the astronaut in ``side`` by ``side`` pixels, no two alike; scores are off.
The worker's pure time is that of protecting the same photos in this process, beforehand, with nothing beside it.
What all used of the processor together tells how many photos a second idle cores would do, however busy they are.
Prints one JSON document; exit status 1 where a photo failed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import skimage.data
import torch
from PIL import Image

from perturbations.artifact import active
from perturbations.protect import protect_photo
from tests.service.helpers import running

PATIENCE: Final = 120
"""Seconds a client asks the service to wait for the copy; longer counts as failed."""
PURE: Final = 8
"""Photos that are protected in this process."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One photo. seconds: from the first byte sent to the news that the copy exists; image: where that is, if it is."""

    seconds: float
    image: str | None


def photos(count: int, side: int) -> list[bytes]:
    """JPEGs of ``side`` by ``side`` pixels; a pixel tells one from the others."""
    astronaut = Image.fromarray(skimage.data.astronaut()).resize((side, side))  # type: ignore[no-untyped-call]
    made = []
    for number in range(count):
        astronaut.putpixel((number % side, number // side), (255, 0, 255))
        written = io.BytesIO()
        astronaut.save(written, "JPEG", quality=92)
        made.append(written.getvalue())
    return made


def send_all(urls: Sequence[str], images: Sequence[bytes], clients: int) -> dict[str, Any]:
    """Send every photo from ``clients`` at once, each to one of ``urls``, and wait for its copy; what came of it.

    In the end every copy is fetched, which is not counted in any time.
    """
    with ExitStack() as stack, ThreadPoolExecutor(clients) as pool:
        https = [
            stack.enter_context(httpx.Client(base_url=urls[number % len(urls)], timeout=PATIENCE + 60))
            for number in range(clients)
        ]
        began = time.monotonic()
        groups = list(pool.map(lambda n: [_sent(https[n], image) for image in images[n::clients]], range(clients)))
        seconds = time.monotonic() - began
        sent = [one for group in groups for one in group]
        whole = sum(pool.map(lambda n: sum(_is_there(https[n], one) for one in groups[n]), range(clients)))
    taken = [one.seconds for one in sent]
    return {
        "photos": len(sent),
        "clients": clients,
        "failed": len(sent) - whole,
        "seconds": round(seconds, 2),
        "photos_per_second": round(len(sent) / seconds, 2),
        "median_seconds": round(float(np.median(taken)), 3),
        "p95_seconds": round(float(np.percentile(taken, 95)), 3),
    }


def _sent(http: httpx.Client, image: bytes) -> Sent:
    began = time.monotonic()
    answer = http.post(
        "/v1/protections",
        files={"image": ("photo.jpg", image)},
        data={"scores": "false"},
        headers={"Prefer": f"wait={PATIENCE}"},
    )
    return Sent(time.monotonic() - began, answer.json()["links"]["image"] if answer.status_code == 201 else None)


def _is_there(http: httpx.Client, one: Sent) -> bool:
    """Whether the protected copy can be had, and is a picture."""
    if one.image is None:
        return False
    answer = http.get(one.image)
    if answer.status_code != 200:
        return False
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()
    return True


def processor_seconds() -> dict[str, float]:
    """What this process and those it started have used so far, by what they run."""
    parents, used = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # the name, in parentheses, may hold spaces; it is all that tells workers apart that were forked
            name, _, rest = (entry / "stat").read_text().rpartition(")")
            fields = rest.split()
            parents[int(entry.name)] = int(fields[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            part = _part(f"{name} {command}")
            used[int(entry.name)] = (part, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    total: dict[str, float] = defaultdict(float)
    for pid, (part, seconds) in used.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            total["clients" if pid == os.getpid() else part] += seconds
    return total


def _part(command: str) -> str:
    found = re.search(r"redis-server|(?:protect|large|score|crowd|train)@|uvicorn|celery", command)
    return found[0].rstrip("@") if found else "service"


def pure_seconds(images: Sequence[bytes]) -> float:
    """What protecting one photo takes a process that does nothing else, on one core."""
    perturbation = active()
    protect_photo(images[0], perturbation)
    began = time.process_time()
    for image in images:
        protect_photo(image, perturbation)
    return (time.process_time() - began) / len(images)


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--side", type=int, default=1000)
    arguments = parser.parse_args()
    images = photos(arguments.photos, arguments.side)
    torch.set_num_threads(1)
    pure = pure_seconds(images[:PURE])
    with tempfile.TemporaryDirectory() as name:
        run = running.start(Path(name) / "var")
        try:
            send_all([run.url], images[:2], 2)  # what is loaded on first use
            before = processor_seconds()
            found = send_all([run.url], images, arguments.clients)
            after = processor_seconds()
        finally:
            run.stop()
    each = {part: round((after[part] - before.get(part, 0.0)) / len(images), 4) for part in after}
    found["processor_seconds_per_photo"] = dict(sorted(each.items(), key=lambda part: -part[1]))
    found["photos_per_second_of_idle_cores"] = round((os.cpu_count() or 1) / sum(each.values()), 2)
    found |= {"pure_protect_seconds": round(pure, 4), "cores": os.cpu_count()}
    print(json.dumps(found, indent=1))
    sys.exit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
