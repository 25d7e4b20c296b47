"""Training and judging identity encoders.

An encoder learns from two views of the same person: two photos if names say who is in them, else one photo changed
in two harmless ways (instance discrimination; SimCLR, Chen et al., ICML 2020). Everybody else in the batch must be
farther away. Two things make it learn no less than the person: views differ in framing and
colour, and on every second step all unnamed faces are of one gender and age group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from perturbations.data.people import NamedFaces
from perturbations.errors import BadCheckpoint, BadFaces
from perturbations.images import RgbArray, to_tensor
from perturbations.lab.randomness import Stream, stream
from perturbations.lab.surrogates.augment import augment
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.precision import autocast
from perturbations.targets.networks.identity import IdentityEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityTraining:
    """AdamW with one cosine cycle. ``named``: share of each batch from people of whom there are several photos."""

    width: int = 16
    latent_size: int = 128
    steps: int = 4000
    pairs: int = 64
    named: float = 0.25
    lr: float = 2e-3
    weight_decay: float = 1e-3
    temperature: float = 0.1
    seed: int = 0


def train_identity(
    faces: LabelledFaces, people: NamedFaces, config: IdentityTraining, *, device: torch.device
) -> Iterator[tuple[int, float, IdentityEncoder]]:
    """Yields (step, loss, encoder) after each step; the encoder is always the same object.

    Everything drawn follows from the seed. ``people`` may be empty.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        encoder = IdentityEncoder(width=config.width, latent_size=config.latent_size)
    encoder = encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=config.lr, total_steps=config.steps)
    pairs = _Pairs(faces, people, config)
    for step in range(config.steps):
        rng = stream(Stream.noise, config.seed, step)
        views = [augment(x.to(device), rng, occlude=True) for x in pairs.draw(step)]
        with autocast(device):
            identities = encoder.train()(torch.cat(views).contiguous(memory_format=torch.channels_last))
        loss = contrast(identities, temperature=config.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        yield step + 1, float(loss.detach()), encoder


def contrast(identities: Tensor, *, temperature: float) -> Tensor:
    """NT-Xent: ``[2N, L]`` of length 1, row ``i`` and row ``i + N`` the same person (Chen et al., 2020, equation 1)."""
    count = len(identities) // 2
    likeness = identities @ identities.T / temperature
    likeness = likeness.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=likeness.device), -torch.inf)
    partner = torch.arange(2 * count, device=likeness.device).roll(count)
    return F.cross_entropy(likeness, partner)


class _Pairs:
    """Draws two photos of each of many people; the same photo twice if there is no other."""

    def __init__(self, faces: LabelledFaces, people: NamedFaces, config: IdentityTraining) -> None:
        self.faces, self.people, self.config = faces, people, config
        group = (faces.labels @ torch.tensor([2.0, 1.0])).long().numpy()
        self.groups = [np.flatnonzero(group == g) for g in range(4)]
        photos = [np.flatnonzero(people.people == person) for person in np.unique(people.people)]
        self.several = [rows for rows in photos if len(rows) > 1]

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Two batches ``[N, 3, S, S]`` whose rows show the same people."""
        rng = np.random.default_rng((self.config.seed, step))
        named = min(round(self.config.named * self.config.pairs), len(self.several))
        chosen = rng.permutation(len(self.several))[:named]
        twos = np.array([rng.choice(self.several[i], size=2, replace=False) for i in chosen], np.int64).reshape(-1, 2)
        pool = self.groups[int(rng.integers(4))] if step % 2 else np.arange(len(self.faces))
        ones = rng.choice(pool, size=min(self.config.pairs - named, len(pool)), replace=False)
        same = self.faces.images[ones]
        first, second = (to_tensor(np.concatenate([same, self.people.images[twos[:, side]]])) for side in range(2))
        return first, second


@torch.inference_mode()
def identities_of(encoder: IdentityEncoder, images: RgbArray) -> Tensor:
    """``[N, L]`` on the CPU, from ``[N, S, S, 3]``."""
    device = next(encoder.parameters()).device
    rows = [encoder.eval()(to_tensor(images[i : i + 256]).to(device)).cpu() for i in range(0, len(images), 256)]
    return torch.cat(rows)


def verification_auc(encoder: IdentityEncoder, people: NamedFaces, *, seed: int = 0) -> float:
    """How often two photos of one person are more alike than photos of two people (area under the ROC curve).

    Over all pairs of one person, and as many seeded pairs of two.

    Raises:
        BadFaces: there are no two photos of one person, or no two people.
    """
    who = torch.from_numpy(people.people)
    same = torch.triu(who[:, None] == who, diagonal=1).nonzero()
    if not len(same) or len(who.unique()) < 2:
        raise BadFaces("verification needs two photos of one person and another person, named Name_Surname_0001.jpg")
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(who), (20 * len(same) + 100, 2), generator=rng)
    other = drawn[who[drawn[:, 0]] != who[drawn[:, 1]]][: len(same)]
    identities = identities_of(encoder, people.images)
    alike, unlike = ((identities[pairs[:, 0]] * identities[pairs[:, 1]]).sum(dim=1) for pairs in (same, other))
    place = torch.searchsorted(unlike.sort().values, alike, right=False)
    return float(place.double().mean() / len(unlike))


def identity_of_nobody(identities: Tensor, *, seed: int) -> tuple[float, ...]:
    """An identity like those of ``[N, L]``, but of none of them: drawn from the normal distribution with their moments.

    It has length 1 and six decimals.
    """
    mean = identities.mean(dim=0)
    weights = torch.randn(len(identities), generator=torch.Generator().manual_seed(seed))
    drawn = mean + (weights[:, None] * (identities - mean)).sum(dim=0) / max(len(identities) - 1, 1) ** 0.5
    return tuple(round(value, 6) for value in F.normalize(drawn, dim=0).tolist())


def save_encoder(encoder: IdentityEncoder, path: Path, *, notes: Mapping[str, int]) -> None:
    """Write the weights as safetensors, with what they need to be built again and ``notes``."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    sizes = {"width": encoder.width, "latent_size": encoder.latent_size}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata={name: str(value) for name, value in {**notes, **sizes}.items()})


def encoder_notes(path: Path) -> dict[str, int]:
    """The sizes and notes of :func:`save_encoder`'s file."""
    with safe_open(path, framework="pt") as file:
        return {name: int(value) for name, value in file.metadata().items()}


def load_encoder(path: Path) -> IdentityEncoder:
    """Read :func:`save_encoder`'s file; frozen.

    Raises:
        BadCheckpoint: the file is not an identity encoder.
    """
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        encoder = IdentityEncoder(width=int(notes["width"]), latent_size=int(notes["latent_size"]))
        encoder.load_state_dict(state)
    except Exception as error:
        raise BadCheckpoint(f"{path} is not an identity encoder: {error}") from error
    return encoder.eval().requires_grad_(False)
