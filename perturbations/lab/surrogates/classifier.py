"""The independent judge of edits: an attribute classifier trained on real faces only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from perturbations.data import ATTRIBUTES
from perturbations.errors import BadCheckpoint
from perturbations.images import to_tensor
from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.losses import attribute_loss
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.precision import autocast


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierTraining:
    """Adam with one cosine cycle; label-balanced batches, flips, and brightness and contrast jitter."""

    steps: int = 2000
    batch_size: int = 64
    lr: float = 2e-3
    weight_decay: float = 5e-4
    seed: int = 1234

    @classmethod
    def at(cls, size: int) -> ClassifierTraining:
        """For faces of ``size`` pixels. Above 64, a judge continues from one of half the size, for fewer steps."""
        doublings = max(0, size.bit_length() - (64).bit_length())
        return cls(steps=2000 // 4**doublings, batch_size=max(16, 64 // 2**doublings), lr=2e-3 / 2**doublings)


def train_classifier(
    faces: LabelledFaces,
    config: ClassifierTraining,
    *,
    device: torch.device,
    start: AttributeClassifier | None = None,
) -> Iterator[tuple[int, float, AttributeClassifier]]:
    """Yields (step, loss, classifier) after each step. The classifier is always the same object.

    ``start`` is a classifier to continue from, such as one of another size.
    """
    torch.manual_seed(config.seed)
    classifier = AttributeClassifier(n_attrs=len(ATTRIBUTES)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start is not None:
        classifier.load_state_dict(start.state_dict())
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=config.lr, total_steps=config.steps)
    for step in range(config.steps):
        x, labels = faces.batch(config.batch_size, seed=config.seed, step=step)
        x = _jitter(x, seed=config.seed, step=step).to(device, memory_format=torch.channels_last)
        with autocast(device):
            loss = attribute_loss(classifier.train()(x), labels.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        yield step + 1, float(loss.detach()), classifier


def _jitter(x: Tensor, *, seed: int, step: int) -> Tensor:
    rng = stream(Stream.judge, seed, step)
    gain = 0.8 + 0.4 * torch.rand((len(x), 1, 1, 1), generator=rng)
    shift = 0.3 * (torch.rand((len(x), 1, 1, 1), generator=rng) - 0.5)
    return (x * gain + shift).clamp(-1.0, 1.0)


@torch.inference_mode()
def accuracy(classifier: AttributeClassifier, faces: LabelledFaces, *, device: torch.device) -> dict[str, float]:
    """Share of faces whose attribute is read off correctly, by attribute."""
    right = torch.zeros(len(ATTRIBUTES))
    for start in range(0, len(faces), 256):
        x = to_tensor(faces.images[start : start + 256]).to(device)
        guessed = classifier.eval()(x).cpu() > 0
        right += (guessed == (faces.labels[start : start + 256] > 0.5)).float().sum(dim=0)
    return dict(zip(ATTRIBUTES, (right / len(faces)).tolist(), strict=True))


def save_classifier(classifier: AttributeClassifier, path: Path) -> None:
    """Write the weights as safetensors."""
    state = {k: v.detach().cpu().contiguous() for k, v in classifier.state_dict().items()}
    save_file(state, path)


def load_classifier(path: Path) -> AttributeClassifier:
    """Read :func:`save_classifier`'s file.

    Raises:
        BadCheckpoint: the file is not an attribute classifier.
    """
    classifier = AttributeClassifier(n_attrs=len(ATTRIBUTES))
    try:
        classifier.load_state_dict(load_file(path))
    except Exception as error:
        raise BadCheckpoint(f"{path} is not an attribute classifier: {error}") from error
    return classifier.eval().requires_grad_(False)
