"""What training a face swap needs besides its two networks: an identity encoder, and a second one as judge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import Progress

from perturbations.data.people import NamedFaces
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.identity import (
    IdentityTraining,
    load_encoder,
    save_encoder,
    train_identity,
    verification_auc,
)
from perturbations.lab.surrogates.keeping import ENCODER
from perturbations.lab.surrogates.recipes.faceswap import IDENTITY_WIDTH, LATENT_SIZE, FaceSwapRecipe
from perturbations.lab.surrogates.swap_metrics import measure_swap
from perturbations.lab.surrogates.training import Run
from perturbations.targets.faceswap import FaceSwap
from perturbations.targets.networks.identity import INPUT_SIZE, IdentityEncoder
from worker.commands._common import err

JUDGE_SEED: Final = 4321
JUDGE_WIDTH: Final = 24
JUDGE_LATENT_SIZE: Final = 96


@dataclass(frozen=True, slots=True)
class SwapOptions:
    """encoder_steps: of each identity encoder; judge: file of the independent one; people: photos to verify them on."""

    encoder_steps: int
    judge: Path
    people: Path | None


def equip(run: Run, faces: LabelledFaces, sources: Sequence[Path], options: SwapOptions, bar: Progress) -> None:
    """Train the encoder of a run that has none yet, and hand it to the recipe before the first step."""
    recipe = run.recipe
    if run.step or not isinstance(recipe, FaceSwapRecipe):
        return
    path = run.folder / ENCODER
    if not path.exists():
        config = IdentityTraining(
            width=IDENTITY_WIDTH, latent_size=LATENT_SIZE, steps=options.encoder_steps, seed=run.config.seed
        )
        _train(path, config, faces, sources, half=run.config.half, device=recipe.device, bar=bar)
    recipe.equip(load_encoder(path).to(recipe.device), faces, seed=run.config.seed)


def figures(
    target: FaceSwap, sources: Sequence[Path], shown: LabelledFaces, options: SwapOptions, *, device: torch.device
) -> dict[str, Any]:
    """What the card of a face swap says beyond its training: measured on labelled faces, judged independently."""
    with Progress(console=err) as bar:
        judge = _judge(sources, options, device=device, size=INPUT_SIZE, bar=bar)
    people = None if options.people is None else NamedFaces([options.people], size=INPUT_SIZE)
    encoders = {"encoder": target.identity, "judge": judge}
    return {
        "verification_auc": {
            name: None if people is None or encoder is None else verification_auc(encoder, people)
            for name, encoder in encoders.items()
        },
        "metrics": asdict(measure_swap(target, judge, shown)),
    }


def _judge(
    sources: Sequence[Path], options: SwapOptions, *, device: torch.device, size: int, bar: Progress
) -> IdentityEncoder:
    """The independent encoder, of other width, seed and data than any surrogate's; trained first if there is none."""
    if not options.judge.exists():
        config = IdentityTraining(
            width=JUDGE_WIDTH, latent_size=JUDGE_LATENT_SIZE, steps=options.encoder_steps, seed=JUDGE_SEED
        )
        everyone = LabelledFaces(sources, size=size)
        _train(options.judge, config, everyone, sources, half=None, device=device, bar=bar)
    return load_encoder(options.judge)


def _train(
    path: Path,
    config: IdentityTraining,
    faces: LabelledFaces,
    sources: Sequence[Path],
    *,
    half: int | None,
    device: torch.device,
    bar: Progress,
) -> None:
    reading = bar.add_task("finding named people")
    people = NamedFaces(
        sources,
        size=faces.images.shape[1],
        half=half,
        progress=lambda done, total: bar.update(reading, completed=done, total=total),
    )
    bar.remove_task(reading)
    task = bar.add_task(f"identity encoder, width {config.width}", total=config.steps)
    start = time.monotonic()
    for step, loss, encoder in train_identity(faces, people, config, device=device):
        bar.update(task, completed=step, description=f"identity encoder, width {config.width}, loss {loss:.2f}")
        trained = encoder
    save_encoder(trained, path, notes={"named": len(people), "seconds": round(time.monotonic() - start)})
