"""Trains a surrogate through its sizes and writes its weights, grid and card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import Progress

from perturbations.checkpoints.loading import load_checkpoint
from perturbations.lab.surrogates.card import model_card
from perturbations.lab.surrogates.classifier import (
    ClassifierTraining,
    accuracy,
    load_classifier,
    save_classifier,
    train_classifier,
)
from perturbations.lab.surrogates.faces import LabelledFaces, count_faces
from perturbations.lab.surrogates.grid import save_grid
from perturbations.lab.surrogates.keeping import keep, read_card, weights, write_card
from perturbations.lab.surrogates.metrics import measure
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.swap_card import swap_card
from perturbations.lab.surrogates.training import Run
from perturbations.targets.faceswap import FaceSwap
from perturbations.targets.interface import Target
from worker.commands import _face_swap
from worker.commands._common import err

GRID_FACES: Final = 8


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all trainings of one command share.

    sources: archives of faces. validation: labelled faces to measure on; nothing is measured without them. judge: file
    of the judge of edits for a size, trained if missing. limit: the most validation faces.
    """

    sources: list[Path]
    validation: Path | None
    judge: Callable[[int], Path]
    swap: _face_swap.SwapOptions
    device: torch.device
    limit: int | None = None

    def train(self, run: Run, *, until: int | None = None) -> None:
        """Train a run to step ``until``, by default to its end."""
        with Progress(console=err) as bar:

            def faces_of(size: int) -> LabelledFaces:
                reading = bar.add_task(f"reading faces at {size}")
                faces = LabelledFaces(
                    self.sources,
                    size=size,
                    half=run.config.half,
                    progress=lambda done, total: bar.update(reading, completed=done, total=total),
                )
                bar.remove_task(reading)
                _face_swap.equip(run, faces, self.sources, self.swap, bar)
                return faces

            training = bar.add_task(run.config.architecture, total=until or run.config.steps, completed=run.step)
            for progress in run.train_stages(faces_of, until=until):
                bar.update(training, completed=progress.step)

    def keep(self, run: Run, folder: Path) -> None:
        """Write the weights of a run as it stands, with a card of its training."""
        keep(run, folder, faces=count_faces(self.sources, half=run.config.half))

    def describe(self, folder: Path, *, name: str) -> dict[str, Any]:
        """Add a grid to what :meth:`keep` has left, and a model card if there are faces to measure on."""
        card = read_card(folder)
        training = card["training"]
        target = load_checkpoint(weights(folder, training["architecture"]))
        size = target.image_size
        if self.validation is None:
            shown = LabelledFaces(self.sources, size=size, half=training["half"], limit=100)
        else:
            shown = LabelledFaces([self.validation], size=size, limit=self.limit)
            card |= self._figures(target, shown)
            text = (swap_card if isinstance(target, FaceSwap) else model_card)(name, card, machine=card["machine"])
            (folder / "card.md").write_text(text)
        save_grid(target, shown.images[:GRID_FACES], folder / "grid.png", zoom=2 if size <= 64 else 1)
        write_card(folder, card)
        return card

    def _figures(self, target: Target, shown: LabelledFaces) -> dict[str, Any]:
        if isinstance(target, FaceSwap):
            return _face_swap.figures(target, self.sources, shown, self.swap, device=self.device)
        judge = self._judge_of(shown.images.shape[1])
        return {
            "classifier_accuracy": accuracy(judge, shown, device=torch.device("cpu")),
            "metrics": asdict(measure(target, judge, shown)),
        }

    def _judge_of(self, size: int) -> AttributeClassifier:
        """The judge kept for a size, trained first if there is none: above 64 pixels from that of half the size."""
        path = self.judge(size)
        if not path.exists():
            start = self._judge_of(size // 2) if size > 64 else None
            config = ClassifierTraining.at(size)
            everything = LabelledFaces(self.sources, size=size)
            with Progress(console=err) as bar:
                task = bar.add_task(f"judge of edits at {size}", total=config.steps)
                for step, _, trained in train_classifier(everything, config, device=self.device, start=start):
                    bar.update(task, completed=step)
                    classifier = trained
            path.parent.mkdir(parents=True, exist_ok=True)
            save_classifier(classifier, path)
        return load_classifier(path)
