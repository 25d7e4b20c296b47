"""A few minutes of one GPU, used well: train the manifest, or measure what only a GPU can show.

    python -m benchmarks.gpu train --faces A.zip --out DIR [--minutes 8] [--at-once 6] [--names attgan,hisd]
    python -m benchmarks.gpu measure --faces A.zip --out DIR [--minutes 8]
    python -m benchmarks.gpu unpack DIR --into build/surrogates

`train` trains the networks of the manifest to their last size, several at once, and leaves at most eight files of 8 MB:
the weights of what is complete, and checkpoints of what is not, as far as they fit. `unpack` lays them where
`make surrogates` goes on. `measure` times a training of δ at paper size (four full-size networks of the official
layouts, 256×256, batch 8) against the loop as published, then protecting and scoring; then it runs the tests marked
`cuda`.
It needs the engine alone: no web service, no Redis.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from perturbations.data.people import NamedFaces
from perturbations.lab.surrogates.faces import LabelledFaces, count_faces
from perturbations.lab.surrogates.identity import IdentityTraining, load_encoder, save_encoder, train_identity
from perturbations.lab.surrogates.keeping import ENCODER, keep, read_card
from perturbations.lab.surrogates.manifest import MANIFEST, Network, networks
from perturbations.lab.surrogates.recipes.faceswap import IDENTITY_WIDTH, LATENT_SIZE, FaceSwapRecipe
from perturbations.lab.surrogates.training import CHECKPOINT, Run
from perturbations.precision import autocast, fastest_device
from perturbations.targets.interface import Target
from perturbations.targets.registry import architecture

MOST_FILES: Final = 8
MOST_BYTES: Final = 8_000_000
FOUR: Final = ("stargan", "attentiongan", "attgan", "hisd")
IMAGES: Final = 128
"""Of a training at paper size."""
_OFFICIAL_EDITS: Final = {
    name: {f"attribute_{i}": tuple(float(i == j) for j in range(5)) for i in range(5)}
    for name in ("stargan", "attentiongan")
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "one", "measure"):
        command = commands.add_parser(name)
        command.add_argument("--faces", nargs="+", type=Path, required=True)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--minutes", type=float, default=8.0)
        command.add_argument("--manifest", type=Path, default=MANIFEST)
        command.add_argument("--names", default="")
        command.add_argument("--at-once", type=int, default=6)
        command.add_argument("--identity-steps", type=int, default=4000)
        command.add_argument("--tiny", action="store_true", help="networks and counts that a CPU does in seconds")
    unpack = commands.add_parser("unpack")
    unpack.add_argument("folder", type=Path)
    unpack.add_argument("--into", type=Path, required=True)
    given = parser.parse_args(arguments)
    {"train": _train, "one": _one, "measure": _measure, "unpack": _unpack}[given.command](given)


def _rows(given: argparse.Namespace) -> list[Network]:
    wanted = [name for name in given.names.split(",") if name]
    return [row for row in networks(given.manifest) if not wanted or row.name in wanted]


def _train(given: argparse.Namespace) -> None:
    """Train, a process for each network and ``at_once`` of them, then pack."""
    deadline = time.monotonic() + 60.0 * given.minutes
    work = given.out.parent / f"{given.out.name}-work"
    waiting = _rows(given)
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        left = (deadline - time.monotonic()) / 60.0
        while waiting and len(running) < given.at_once and left > 0.2:
            row = waiting.pop(0)
            options = ["--out", str(work), "--minutes", f"{left:.3f}", "--names", row.name]
            options += ["--manifest", str(given.manifest), "--identity-steps", str(given.identity_steps)]
            faces = ["--faces", *map(str, given.faces)]
            command = [sys.executable, "-m", "benchmarks.gpu", "one", *options, *faces]
            running.append(subprocess.Popen(command))  # noqa: S603 - our own module
        if waiting and left <= 0.2:
            waiting = []
        running = [process for process in running if process.poll() is None]
        time.sleep(0.2)
    pack(work, given.out, _rows(given))


def _one(given: argparse.Namespace) -> None:
    """One network, until it is complete or the time is over; a checkpoint is written either way."""
    began = time.monotonic()
    torch.set_num_threads(1)
    (row,) = _rows(given)
    folder = given.out / row.name
    run = Run(row.training, folder, device=fastest_device())

    def faces_of(size: int) -> LabelledFaces:
        faces = LabelledFaces(given.faces, size=size, half=row.training.half)
        _equip(run, faces, given)
        return faces

    for progress in run.train_stages(faces_of, checkpoint_every=1000):
        if time.monotonic() - began > 60.0 * given.minutes and progress.step < progress.steps:
            run.save()
            print(f"{row.name}: {progress.step} of {progress.steps} steps", flush=True)
            return
    size = run.recipe.target.image_size
    keep(run, folder / str(size), faces=count_faces(given.faces, half=row.training.half))
    print(f"{row.name}: complete at {size} pixels in {run.seconds:.0f} s", flush=True)


def _equip(run: Run, faces: LabelledFaces, given: argparse.Namespace) -> None:
    """Train the identity encoder of a face swap that has none yet."""
    recipe, path = run.recipe, run.folder / ENCODER
    if run.step or not isinstance(recipe, FaceSwapRecipe):
        return
    if not path.exists():
        config = IdentityTraining(
            width=IDENTITY_WIDTH, latent_size=LATENT_SIZE, steps=given.identity_steps, seed=run.config.seed
        )
        people = NamedFaces(given.faces, size=faces.images.shape[1], half=run.config.half)
        began = time.monotonic()
        for _, _, encoder in train_identity(faces, people, config, device=recipe.device):
            trained = encoder
        save_encoder(trained, path, notes={"named": len(people), "seconds": round(time.monotonic() - began)})
    recipe.equip(load_encoder(path).to(recipe.device), faces, seed=run.config.seed)


def pack(work: Path, out: Path, rows: Sequence[Network]) -> None:
    """What is complete, then checkpoints from the first row on while they fit, as parts of one archive."""
    out.mkdir(parents=True, exist_ok=True)
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        for path in sorted(_complete(work, rows)):
            archive.add(path, path.relative_to(work))
        for row in rows:
            path = work / row.name / CHECKPOINT
            if path.exists() and not (work / row.name / str(row.training.image_size)).exists():
                room = MOST_FILES * MOST_BYTES - kept.tell() - 10_240  # what closes an archive
                if path.stat().st_size + 1024 > room:
                    print(f"{row.name}: its checkpoint does not fit", flush=True)
                    continue
                archive.add(path, path.relative_to(work))
    data = kept.getvalue()
    for number, start in enumerate(range(0, len(data), MOST_BYTES)):
        (out / f"surrogates.tar.{number}").write_bytes(data[start : start + MOST_BYTES])


def _complete(work: Path, rows: Sequence[Network]) -> Iterator[Path]:
    for row in rows:
        folder = work / row.name
        yield from (folder / str(row.training.image_size)).glob("*")
        yield from folder.glob(ENCODER)


def _unpack(given: argparse.Namespace) -> None:
    parts = sorted(given.folder.glob("surrogates.tar.*"), key=lambda path: int(path.suffix[1:]))
    data = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=data) as archive:
        archive.extractall(given.into, filter="data")
    for card in sorted(given.into.glob("*/*/card.json")):
        print(f"{card.parent.parent.name}: {read_card(card.parent)['training']['stages']}")


def _networks(*, tiny: bool, device: torch.device) -> list[Target]:
    """The four networks of the published comparison with random weights, in their official sizes."""
    torch.manual_seed(0)
    made: list[Target] = []
    for name in FOUR:
        cls = architecture(name)
        official = {"edits": _OFFICIAL_EDITS[name]} if name in _OFFICIAL_EDITS else {"edits": _edits_of(name)}
        made.append(cls.from_config(cls.small if tiny else official).to(device).freeze())
    return made


def _edits_of(name: str) -> object:
    if name == "hisd":
        from perturbations.targets.hisd import CELEBAHQ_EDITS  # noqa: PLC0415

        return CELEBAHQ_EDITS
    return {f"attribute_{i}": tuple(1.0 if i == j else -1.0 for j in range(13)) for i in range(5)}


def _measure(given: argparse.Namespace) -> None:
    """Figures to ``DIR/figures.json``, and on the screen."""
    from perturbations.training import preset  # noqa: PLC0415
    from perturbations.training.loop import Training  # noqa: PLC0415

    device = fastest_device()
    config = preset("paper", weighting="aef", epsilon=0.05, seed=0)
    steps, images = (4, 8) if given.tiny else (config.steps, IMAGES)
    config = replace(config, steps=steps, images=images)
    faces = LabelledFaces(given.faces, size=256, limit=None if given.tiny else 4 * images).images[: max(images, 8)]
    figures: dict[str, object] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "steps": steps,
        "images": images,
    }

    def timed(work: Callable[[], object]) -> float:
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        return round(time.perf_counter() - began, 2)

    targets = _networks(tiny=given.tiny, device=device)
    timed(lambda: list(Training(targets, faces, replace(config, steps=2), device=device)))  # warm up
    figures["train_seconds"] = timed(lambda: list(Training(targets, faces, config, device=device)))
    figures["published_loop_seconds"] = timed(lambda: published_loop(targets, faces, steps=steps, device=device))
    figures |= _photos(device, seconds=0.1 if given.tiny else 15.0)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1), flush=True)
    if not given.tiny:
        tests = [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "cuda",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/perturbations/training",
        ]
        done = subprocess.run(tests, capture_output=True, text=True, check=False)  # noqa: S603 - our own tests
        (given.out / "tests.txt").write_text(done.stdout + done.stderr)
        print(done.stdout[-300:], flush=True)


def published_loop(
    targets: Sequence[Target], faces: object, *, steps: int, device: torch.device, batch: int = 8
) -> torch.Tensor:
    """δ as the published relatives train it: every clean output anew, single precision, one edit of each network.

    Weights are the softmax of the losses' moving average (decay 0.9, temperature 0.1), step 1e-3, ε 0.05.
    """
    from perturbations.images import resize, to_tensor  # noqa: PLC0415

    x_all = to_tensor(faces)  # type: ignore[arg-type]
    delta = torch.zeros(1, 3, 256, 256, device=device).uniform_(-0.05, 0.05)
    average = torch.zeros(len(targets), device=device)
    for step in range(steps):
        start = step * batch % max(1, len(x_all) - batch + 1)
        x = x_all[start : start + batch].to(device)
        weights = torch.softmax(average / 0.1, dim=0)
        leaf = delta.clone().requires_grad_(True)
        for k, target in enumerate(targets):
            edit = target.edits[step % len(target.edits)]
            with torch.no_grad():
                clean = target(resize(x, target.image_size), edit)
            attacked = target(resize((x + leaf).clamp(-1, 1), target.image_size), edit)
            loss = -(attacked - clean).square().mean()
            (weights[k] * loss).backward()
            average[k] = 0.9 * average[k] + 0.1 * loss.detach()
        assert leaf.grad is not None
        delta = (delta - 1e-3 * leaf.grad.sign()).clamp(-0.05, 0.05)
    return delta


def _photos(device: torch.device, *, seconds: float) -> dict[str, float]:
    """Photos of the astronaut protected and scored, each for ``seconds``, one after another, a second."""
    from PIL import Image  # noqa: PLC0415
    from skimage import data  # noqa: PLC0415

    from perturbations import artifact  # noqa: PLC0415
    from perturbations.checkpoints.shipped import load_surrogates  # noqa: PLC0415
    from perturbations.protect import protect_photo  # noqa: PLC0415
    from perturbations.score import score_photo  # noqa: PLC0415

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")  # type: ignore[no-untyped-call]
    photo, perturbation = buffer.getvalue(), artifact.active()
    copy = protect_photo(photo, perturbation).data
    targets = load_surrogates(device=device)

    def rate(work: Callable[[], object]) -> float:
        work()
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            with autocast(device, enabled=False):
                work()
            count += 1
        return round(count / (time.perf_counter() - began), 2)

    return {
        "protected_per_second": rate(lambda: protect_photo(photo, perturbation)),
        "scored_per_second": rate(lambda: score_photo(photo, copy, targets=targets)),
        "generators_scoring": len(targets),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
