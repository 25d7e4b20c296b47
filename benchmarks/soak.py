"""Hours of abuse in minutes: photos from several clients while parts of the service are killed, then damaged photos.

make soak        or: .venv/bin/python -m benchmarks.soak [--jobs 2000] [--every 15] [--mutants 5000]
                     [--structures 40000] [--seed 0]

Starts a service of its own on an empty folder. Every ``--every`` seconds it kills a worker's process, the process that
watches over that, Redis or the front end (the launcher gives a part up that ends more than five times a minute, so 12
seconds are the least). Every client sends its photos with an Idempotency-Key until each is accepted. At the end all
that was accepted must have ended, nothing may be there twice, and nothing may be left once everything is deleted.
Then come ``--mutants`` files damaged at random through a service, and ``--structures`` files that are wrong in what
they are made of through its checks and its engine, in processes of their own: some minutes for 40,000 of them.
Prints one JSON document, and each part to standard error as soon as it is over; exit status 1 where something is not as
it must be.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image

from tests.service.helpers import running
from tests.service.helpers.damaged_uploads import assault, workers
from tests.service.helpers.fuzzing import fuzz
from tests.service.helpers.killing import Killer
from tests.service.helpers.mutations import mutants
from tests.service.helpers.running import Running
from worker.serve import embedded_redis

SCORED: Final = 10
"""One photo in so many is scored."""
SWEPT_SECONDS: Final = 400.0
"""After this long nothing that was left by a killed process may lie around: two minutes' grace, a minute between
looks, and time for a busy machine."""
TOGETHER: Final = 500
"""Files that one process reads in one go."""
PATIENCE: Final = 3600.0
"""How long a client tries to get rid of one photo, or waits for one."""


@dataclass(slots=True)
class Client:
    """Sends photos and waits for them, whatever happens meanwhile."""

    killer: Killer
    http: httpx.Client
    pause: float
    locations: dict[int, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def send(self, numbers: range) -> None:
        """Send these photos, each until it is accepted."""
        for number in numbers:
            key, photo = str(uuid.uuid4()), photo_of(number)
            fields = {"scores": str(number % SCORED == 0).lower(), "previews": "false"}

            def post(key: str = key, photo: bytes = photo, fields: dict[str, str] = fields) -> httpx.Response:
                files = {"image": ("photo.jpg", photo)}
                head = {"Idempotency-Key": key}
                return self.http.post("/v1/protections", files=files, data=fields, headers=head)

            answer = self.asked(post, until={201, 202})
            if answer is None:
                self.complaints.append(f"photo {number} was never accepted")
            else:
                self.locations[number] = answer.headers["Location"]
            time.sleep(self.pause)

    def wait(self) -> None:
        """Wait for the end of every photo."""
        for number, here in self.locations.items():
            report = self.settled(here)
            if report is None:
                self.ended["lost"] += 1
                self.complaints.append(f"photo {number} was lost")
                continue
            self.ended[report["status"]] += 1
            if report["status"] == "failed":
                self.complaints.append(f"photo {number} failed: {report['error']}")
                continue
            if report["scores_status"] == "failed":
                self.complaints.append(f"the scores of photo {number} failed")
            picture = self.asked(lambda here=here: self.http.get(f"{here}/image"), until={200, 404})  # type: ignore[misc]
            if picture is None or picture.status_code == 404:
                self.complaints.append(f"the copy of photo {number} was lost")
            else:
                Image.open(io.BytesIO(picture.content)).load()

    def erase(self) -> None:
        """Erase everything."""
        for here in self.locations.values():
            self.asked(lambda here=here: self.http.delete(here), until={204, 404})  # type: ignore[misc]

    def settled(self, here: str) -> dict[str, Any] | None:
        """The report once nothing more will happen; ``None`` where it is not there, or never ends."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.asked(lambda: self.http.get(here), until={200, 404})
            if answer is None or answer.status_code == 404:
                return None
            report: dict[str, Any] = answer.json()
            if report["status"] in ("scored", "failed") or (
                report["status"] == "protected" and report["scores_status"] != "pending"
            ):
                return report
            time.sleep(1.0)
        return None

    def asked(self, ask: Callable[[], httpx.Response], *, until: set[int]) -> httpx.Response | None:
        """Ask until one of the statuses comes, or ``None``; other answers must be excused or polite."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                answer = ask()
            except httpx.TransportError as error:
                self.statuses[type(error).__name__] += 1
                self._excused(type(error).__name__, began)
            else:
                self.statuses[str(answer.status_code)] += 1
                if answer.status_code in until:
                    return answer
                if answer.status_code == 503:
                    self._excused("503", began)
                elif answer.status_code not in (409, 429):  # those ask for patience
                    self.complaints.append(f"{answer.status_code} {answer.text[:200]}")
            time.sleep(1.0)
        return None

    def _excused(self, what: str, began: float) -> None:
        """Complain where no part was down meanwhile."""
        if not self.killer.excuses(began, time.monotonic()):
            self.complaints.append(f"{what}, although nothing was down")


def photo_of(number: int) -> bytes:
    """A small photo unlike any other."""
    rng = np.random.default_rng(number)
    grain = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(grain).resize((256, 256)).save(written, "JPEG", quality=85)
    return written.getvalue()


def under_kills(folder: Path, *, jobs: int, clients: int, pause: float, every: float, seed: int) -> dict[str, Any]:
    """Send, kill, wait, count and erase; what came of it."""
    began = time.monotonic()
    run = running.start(folder / "var")
    try:
        with Killer(run, every, seed) as killer, ThreadPoolExecutor(clients) as pool:
            senders = [Client(killer, httpx.Client(base_url=run.url, timeout=60), pause) for _ in range(clients)]
            list(pool.map(Client.send, senders, [range(i, jobs, clients) for i in range(clients)]))
            list(pool.map(Client.wait, senders))
        complaints = [text for sender in senders for text in sender.complaints]
        accepted = sum(len(sender.locations) for sender in senders)
        kept = jobs - sum(sender.ended["failed"] + sender.ended["lost"] for sender in senders)
        counted = records(run)
        if counted != {"records": accepted, "open": 0}:
            complaints.append(f"{accepted} photos were accepted, and Redis has {counted}")
        stray = strays(run, expected=kept)
        for sender in senders:
            sender.complaints.clear()
            sender.erase()
        stray += strays(run, expected=0)
        complaints += [f"lies around: {name}" for name in stray]
        return {
            "jobs": jobs,
            "accepted": accepted,
            "ended": total(sender.ended for sender in senders),
            "killed": dict(killer.killed),
            "answers": total(sender.statuses for sender in senders),
            "records": counted,
            "complaints": complaints[:50],
            "complained": len(complaints),
            "seconds": round(time.monotonic() - began, 1),
        }
    finally:
        run.stop()


def under_mutants(folder: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Send damaged photos; what came of it."""
    began = time.monotonic()
    run = running.start(folder / "var")
    try:
        before = workers(run)
        outcome = assault(run, mutants(count, seed=seed))
        after = workers(run)
        complaints = [*outcome.complaints, *([] if after.pids == before.pids else ["a worker was brought down"])]
        complaints += [f"lies around: {name}" for name in strays(run, expected=0)]
        return {
            "mutants": count,
            "answers": {str(status): number for status, number in sorted(outcome.answers.items())},
            "ended": dict(outcome.ended),
            "peak_bytes": {"before": before.peak, "after": after.peak},
            "complaints": complaints[:50],
            "complained": len(complaints),
            "seconds": round(time.monotonic() - began, 1),
        }
    finally:
        run.stop()


def under_structures(*, count: int, seed: int) -> dict[str, Any]:
    """Read files that are wrong in what they are made of; what came of it."""
    began = time.monotonic()
    ended: Counter[str] = Counter()
    complaints: list[str] = []
    groups = [range(first, min(first + TOGETHER, count)) for first in range(0, count, TOGETHER)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for group, found in [(group, pool.submit(fuzz, group, seed=seed)) for group in groups]:
            try:
                findings = found.result()
            except BrokenProcessPool:
                complaints.append(f"a process was brought down by one of the files {group.start} to {group.stop - 1}")
                break
            ended += findings.ended
            complaints += findings.complaints
    return {
        "structures": count,
        "ended": dict(ended),
        "complaints": complaints[:50],
        "complained": len(complaints),
        "seconds": round(time.monotonic() - began, 1),
    }


def records(run: Running) -> dict[str, int]:
    """How many photos Redis knows, and how many of them have work left to do."""
    url = f"unix://{embedded_redis.socket_path(run.data_dir / 'redis')}"
    with embedded_redis.client(url) as redis:
        known = sum(1 for _ in redis.scan_iter("poise:job:*", count=1000))
        return {"records": known, "open": int(redis.zcard("poise:open"))}


def strays(run: Running, *, expected: int) -> list[str]:
    """Files of photos beside the ``expected`` protected copies, once the sweeper had its time."""
    storage = run.data_dir / "storage"
    end = time.monotonic() + SWEPT_SECONDS
    while True:
        files = [path for part in ("photos", ".partial") for path in (storage / part).rglob("*") if path.is_file()]
        copies = [path for path in files if path.name == "protected"]
        if len(files) == len(copies) == expected:
            return []
        if time.monotonic() > end:
            wrong = [path.relative_to(storage).as_posix() for path in files if expected == 0 or path not in copies]
            return wrong or [f"{len(copies)} copies, not {expected}"]
        time.sleep(2.0)


def total(counters: Any) -> dict[str, int]:
    """The sum of counters."""
    return dict(sorted(sum(counters, Counter()).items()))


def main() -> None:
    """Parse, soak, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2000, help="photos sent while parts are killed; 0 for none")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two photos of a client")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between kills")
    parser.add_argument("--mutants", type=int, default=5000, help="damaged photos; 0 for none")
    parser.add_argument(
        "--structures", type=int, default=40_000, help="files wrong in what they are made of; 0 for none"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.every < 12:
        parser.error("--every must be 12 or more: the launcher gives up a part that ends more than five times a minute")
    folder = Path(tempfile.mkdtemp(prefix="poise-soak-"))
    found: dict[str, Any] = {"seed": arguments.seed}

    def keep(part: str, outcome: dict[str, Any]) -> None:
        found[part] = outcome
        print(json.dumps({part: outcome}), file=sys.stderr, flush=True)

    if arguments.jobs:
        (folder / "kills").mkdir()
        outcome = under_kills(
            folder / "kills",
            jobs=arguments.jobs,
            clients=arguments.clients,
            pause=arguments.pause,
            every=arguments.every,
            seed=arguments.seed,
        )
        keep("kills", outcome)
    if arguments.mutants:
        (folder / "mutants").mkdir()
        keep("mutants", under_mutants(folder / "mutants", count=arguments.mutants, seed=arguments.seed))
    if arguments.structures:
        keep("structures", under_structures(count=arguments.structures, seed=arguments.seed))
    print(json.dumps(found, indent=1))
    if any(part["complained"] for part in found.values() if isinstance(part, dict)):
        print(f"not as it must be; logs and data are in {folder}", file=sys.stderr)
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
