"""A retrain over HTTP on a service of its own: how long it takes, what it improves, and what photos wait meanwhile.

    .venv/bin/python -m benchmarks.retrain [--faces FACES.zip]

A version that does nothing is made the active one first. Photos are the astronaut, one after another and then from many
clients at once, scores off.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch

from benchmarks.load import photos, send_all
from perturbations import artifact
from tests.service.helpers import running
from tests.service.helpers.running import Running

KEY = "benchmark"
PHOTOS = 60
AT_ONCE, CLIENTS, SIDE = 200, 20, 1000


def main() -> None:
    """Run, and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=Path, help="a ZIP of face pictures; those that ship by default")
    parser.add_argument("--targets", nargs="*", help="generators; all by default")
    parser.add_argument("--preset", default="quick")
    arguments = parser.parse_args()
    photo = (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = running.start(folder / "var", POISE_ADMIN_KEYS=KEY)
        run.client.headers["X-API-Key"] = KEY
        try:
            print(json.dumps(measured(run, folder, photo, arguments), indent=1))
        finally:
            run.stop()


def measured(run: Running, folder: Path, photo: bytes, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything worth knowing about one retrain."""
    weak = activate_weak(run, folder / "weak")
    before = report(run, photo)
    assert before["perturbation"]["version"] == weak
    idle = waits(run, photo)
    idle_at_once = send_all([run.url], photos(AT_ONCE, SIDE), CLIENTS)
    wanted = {"preset": arguments.preset, "targets": arguments.targets or None}
    if arguments.faces is not None:
        answer = run.client.post("/v1/admin/datasets?name=faces", content=arguments.faces.read_bytes())
        answer.raise_for_status()
        wanted["dataset"] = "faces"
    began = time.monotonic()
    here = run.client.post("/v1/admin/trainings", json=wanted).headers["Location"]
    while run.client.get(here).json()["step"] < 1:
        time.sleep(0.5)
    busy = waits(run, photo)
    busy_at_once = send_all([run.url], photos(AT_ONCE, SIDE), CLIENTS)
    still = run.client.get(here).json()["status"]
    while (training := run.client.get(here).json())["status"] in ("queued", "running"):
        time.sleep(1.0)
    seconds = round(time.monotonic() - began, 1)
    after = report(run, photo)
    return {
        "status": training["status"],
        "error": training["error"],
        "seconds": seconds,
        "comparison": training["comparison"],
        "versions": [before["perturbation"]["version"], after["perturbation"]["version"]],
        "l2_mask": {row["architecture"]: row["l2_mask"] for row in after["scores"]},
        "status_after_the_photos": still,
        "p95_seconds": {"idle": idle, "training": busy, "ratio": round(busy / idle, 2)},
        "at_once": {"idle": idle_at_once, "training": busy_at_once},
    }


def activate_weak(run: Running, folder: Path) -> str:
    """A version that does nothing, for everything the shipped one knows, imported on the command line."""
    sidecar = {
        key: value for key, value in artifact.active().sidecar.items() if key in ("targets", "attainable", "breaks_at")
    }
    delta = torch.zeros(artifact.SHAPE)
    version = artifact.save(folder, delta, epsilon=0.05, weighting="uniform", sidecar=sidecar).version
    subprocess.run(  # noqa: S603 - our own command
        [
            sys.executable,
            "-c",
            "from worker.cli import app; app()",
            "perturbations",
            "import",
            str(folder),
            "--activate",
        ],
        env={**os.environ, "POISE_DATA_DIR": str(run.data_dir)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    while run.client.get("/v1/perturbations/active").json()["version"] != version:
        time.sleep(0.5)
    return version


def report(run: Running, photo: bytes) -> dict[str, Any]:
    """A photo's report, scores included."""
    return run.settled(run.accepted(photo), seconds=600)


def waits(run: Running, photo: bytes) -> float:
    """The 95th percentile of the seconds until the protected copy exists."""
    taken = []
    for _ in range(PHOTOS):
        began = time.monotonic()
        run.settled(run.accepted(photo, scores="false"), seconds=600)
        taken.append(time.monotonic() - began)
    return round(float(np.percentile(taken, 95)), 3)


if __name__ == "__main__":
    main()
