"""The training loop of a universal perturbation δ.

One step, for every target k; each part of the batch has an edit and an input transform t of its own:

    ℓ_k = -[(1 - λ) * mean_i s(MSE(G_k(t(x_i + δ)), G_k(x_i))) + λ * MSE(tap_k(t(x + δ)), tap_k(x)) / MS(tap_k(x))]
    g_k = ∂ℓ_k / ∂δ
    d   = Σ w_k g_k / mean|Σ w_k g_k|        w from the weighting; g_k of length one if it asks for that
    m   ← μ m + d
    δ   ← Π(B(δ - α sign(m)))                B takes away frequencies outside the band, if there is one;
                                             Π projects onto the L-infinity ball of radius ε
    δ   ← Π(E(B(δ - α m / RMS(m))))          instead, if the root mean square is limited; E projects onto that ball

MS is the mean square: taps live on scales of their own, tens of times apart between architectures, and unscaled they
drown the output. s(v) = v, or c log(1 + v / c) if the configuration names a saturation c: strongly interrupted faces
then count little more, and the faces that resist get the step. The equilibrium among the target's edits weighs the
parts of ℓ_k, if the configuration asks for one. δ starts uniform in the ball: at δ = 0 the gradient of
every squared difference is exactly zero; it may start smaller and smooth. α falls over the run. Everything random in a
step follows from (seed, step) alone, so a run resumes exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturbations.bounds import Linf, Rms, rms
from perturbations.effect import success_rate
from perturbations.errors import BadFaces
from perturbations.images import RgbArray, to_tensor
from perturbations.targets.interface import Target
from perturbations.training.clean import KEPT_BYTES
from perturbations.training.config import SIDE, TrainingConfig
from perturbations.training.opponent import Opponent
from perturbations.training.spectrum import Spectrum
from perturbations.weighting import Signals, weighting

LEAST_NORM = 1e-12
"""A gradient shorter than this is not brought to length one."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress after one step; ``losses``, ``weights`` and ``effect`` (mean L2mask, ``None`` if empty) by target."""

    step: int
    steps: int
    losses: dict[str, float]
    weights: dict[str, float]
    effect: dict[str, float | None]


class Training:
    """A training of δ against ``targets`` on ``faces`` (``[N, 256, 256, 3]``, 8 bits).

    Args:
        attainable: mean L2mask by target's name, if known; passed on to the weighting.
        members: further networks of a target by its name, for example from other seeds; a step uses one of them.
        start: δ to start with, ``[1, 3, 256, 256]``, brought within the bound; random if left out.

    Iterate to train; after each step ``delta`` (``[1, 3, 256, 256]``) keeps the bound.

    Raises:
        ValueError: no targets.
        BadFaces: fewer faces than one batch, or of another size.
        UnknownName: the weighting does not exist.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        faces: RgbArray,
        config: TrainingConfig,
        *,
        device: torch.device | None = None,
        attainable: Mapping[str, float] | None = None,
        members: Mapping[str, Sequence[Target]] | None = None,
        start: Tensor | None = None,
    ) -> None:
        if not targets:
            raise ValueError("a training needs at least one target")
        if faces.shape[1:] != (SIDE, SIDE, 3):
            raise BadFaces(f"training faces must be [N, {SIDE}, {SIDE}, 3], got {list(faces.shape)}")
        if len(faces) < config.batch_size:
            raise BadFaces(f"{len(faces)} faces are fewer than one batch of {config.batch_size}")
        self.config = config
        self.device = device or torch.device("cpu")
        self.targets = tuple(targets)
        self.bound = Linf(config.epsilon)
        self.energy = None if config.rms is None else Rms(config.rms * config.epsilon)
        self.weighting = weighting(config.weighting, targets=len(targets), options=dict(config.weighting_options))
        self.attainable = (
            None if attainable is None else torch.tensor([attainable[t.name] for t in targets], device=self.device)
        )
        share = KEPT_BYTES // len(targets)
        self.opponents = [
            Opponent([t, *(members or {}).get(t.name, ())], config, number=k, device=self.device, max_bytes=share)
            for k, t in enumerate(targets)
        ]
        self.spectrum = Spectrum(*config.band, chroma=config.chroma_cycles)
        self.step = 0
        self.delta = self._within(self._random() if start is None else start).to(self.device)
        self.momentum = torch.zeros_like(self.delta)
        self._faces = faces
        self._chosen = np.random.default_rng(config.seed).permutation(len(faces))[: config.images]

    def _random(self) -> Tensor:
        """A δ to start with, smooth and small if the configuration says so."""
        noise = self.bound.uniform((1, 3, SIDE, SIDE), torch.Generator().manual_seed(self.config.seed))
        if self.config.start_cycles is None:
            return self.config.start_size * noise
        smooth = Spectrum(high=self.config.start_cycles).filtered(noise)
        largest = self.config.start_size * self.config.epsilon
        return smooth * (largest / smooth.abs().max())

    def __iter__(self) -> Iterator[StepReport]:
        while self.step < self.config.steps:
            yield self.advance()

    def advance(self) -> StepReport:
        """One step."""
        indices = self._batch_indices()
        x = to_tensor(self._faces[self._chosen[indices]]).to(self.device)
        met = [opponent.meet(self.delta, x, indices, step=self.step) for opponent in self.opponents]
        losses = torch.stack([one.loss for one in met])
        effect = torch.stack([one.effect.nanmean() for one in met])
        success = torch.stack([success_rate(one.effect) for one in met])
        shares = self.weighting(Signals(losses, effect, attainable=self.attainable, success=success))
        unit = self.weighting.unit_gradients
        gradients = [_of_length_one(one.gradient) if unit else one.gradient for one in met]
        self._descend(torch.stack([share * g for share, g in zip(shares, gradients, strict=True)]).sum(dim=0))
        self.step += 1
        names = [target.name for target in self.targets]
        return StepReport(
            step=self.step,
            steps=self.config.steps,
            losses=dict(zip(names, losses.tolist(), strict=True)),
            weights=dict(zip(names, shares.tolist(), strict=True)),
            effect={n: None if np.isnan(v) else v for n, v in zip(names, effect.tolist(), strict=True)},
        )

    def _batch_indices(self) -> list[int]:
        """Every face once per epoch, in an order that follows from seed and epoch; a short last batch is dropped."""
        size = self.config.batch_size
        per_epoch = max(1, len(self._chosen) // size)
        epoch, position = divmod(self.step, per_epoch)
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self._chosen))
        return [int(i) for i in order[position * size : (position + 1) * size]]

    def _descend(self, direction: Tensor) -> None:
        scale = direction.abs().mean()
        if float(scale) > 0.0:
            direction = direction / scale
        self.momentum = self.config.momentum * self.momentum + direction
        step = self.momentum.sign() if self.energy is None else _of_rms_one(self.momentum)
        moved = self.delta - self.config.step_size_at(self.step) * step
        self.delta = self._within(self.spectrum.filtered(moved))

    def _within(self, delta: Tensor) -> Tensor:
        """What is left of ``delta`` inside the limits."""
        return self.bound.project(delta if self.energy is None else self.energy.project(delta))

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs."""
        return {
            "step": self.step,
            "delta": self.delta.cpu(),
            "momentum": self.momentum.cpu(),
            "weighting": self.weighting.state_dict(),
            "opponents": [opponent.state_dict() for opponent in self.opponents],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken; targets, faces and configuration must be the same."""
        self.step = int(state["step"])
        self.delta = state["delta"].to(self.device)
        self.momentum = state["momentum"].to(self.device)
        self.weighting.load_state_dict(state["weighting"])
        for opponent, saved in zip(self.opponents, state["opponents"], strict=True):
            opponent.load_state_dict(saved)


def _of_length_one(gradient: Tensor) -> Tensor:
    length: Tensor = gradient.norm().clamp_min(LEAST_NORM)
    return gradient / length


def _of_rms_one(direction: Tensor) -> Tensor:
    return direction / rms(direction).clamp_min(LEAST_NORM)
