"""The training loop of a universal perturbation δ.

One step, for every target k; each part of the batch has an edit and an input transform t of its own:

    ℓ_k = -[(1 - λ) * mean_i s(MSE(G_k(t(x_i + δ)), G_k(x_i))) + λ * MSE(tap_k(t(x + δ)), tap_k(x)) / MS(tap_k(x))]
    g_k = ∂ℓ_k / ∂δ
    d   = Σ w_k g_k / mean|Σ w_k g_k|        w from the weighting
    m   ← μ m + d
    δ   ← Π(δ - α sign(m))                   Π projects onto the L-infinity ball of radius ε

MS is the mean square: taps live on scales of their own, tens of times apart between architectures, and unscaled they
drown the output. s(v) = v, or c log(1 + v / c) where the configuration names a saturation c: what is interrupted by far
then counts little more, and the faces that resist get the step. Parts of ℓ_k weigh as the equilibrium among the
target's edits says, where the configuration asks for one. δ starts uniform in the ball: at δ = 0 the gradient of
every squared difference is exactly zero. α falls over the run. While a run warms up, all w_k are 1/K and the weighting
only watches. Everything random in a step follows from (seed, step) alone, so a run resumes exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.bounds import Linf
from perturbations.effect import l2_mask, success_rate
from perturbations.errors import BadFaces
from perturbations.images import RgbArray, resize, to_tensor
from perturbations.precision import autocast
from perturbations.targets.base import Manipulation, Target
from perturbations.training.clean import KEPT_BYTES, CleanOutputs
from perturbations.training.config import SIDE, TrainingConfig
from perturbations.training.edits import EditBalance
from perturbations.training.transforms import Transform, transform
from perturbations.weighting import Signals, weighting

TAP_POWER_FLOOR: Final = 1e-6


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress after one step; ``losses``, ``weights`` and ``effect`` (mean L2mask, ``None`` where empty) by target."""

    step: int
    steps: int
    losses: dict[str, float]
    weights: dict[str, float]
    effect: dict[str, float | None]


class Training:
    """A training of δ against ``targets`` on ``faces`` (``[N, 256, 256, 3]``, 8 bits).

    ``attainable`` (mean L2mask by target's name), where it is known, is passed on to the weighting.
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
        self.weighting = weighting(config.weighting, targets=len(targets))
        self.attainable = (
            None if attainable is None else torch.tensor([attainable[t.name] for t in targets], device=self.device)
        )
        self.edits = [EditBalance(target.edits, temperature=config.edit_temperature) for target in targets]
        self.step = 0
        start = torch.Generator().manual_seed(config.seed)
        self.delta = self.bound.uniform((1, 3, SIDE, SIDE), start).to(self.device)
        self.momentum = torch.zeros_like(self.delta)
        chosen = np.random.default_rng(config.seed).permutation(len(faces))[: config.images]
        self._faces = faces[chosen]
        self._clean = [CleanOutputs(target, max_bytes=KEPT_BYTES // len(self.targets)) for target in self.targets]

    def __iter__(self) -> Iterator[StepReport]:
        while self.step < self.config.steps:
            yield self.advance()

    def advance(self) -> StepReport:
        """One step."""
        indices = self._batch_indices()
        x = to_tensor(self._faces[indices]).to(self.device)
        results = [self._attack(k, x, indices) for k in range(len(self.targets))]
        losses = torch.stack([loss for loss, _, _ in results])
        effect = torch.stack([masked.nanmean() for _, masked, _ in results])
        success = torch.stack([success_rate(masked) for _, masked, _ in results])
        gradients = torch.stack([gradient for _, _, gradient in results])  # [K, 1, 3, S, S]
        gram = None
        if self.weighting.needs_gram:
            flat = gradients.flatten(1).double()
            gram = (flat @ flat.T).float()
        weights = self.weighting(Signals(losses, effect, self.step, gram, self.attainable, success))
        if self.config.warms_up(self.step):
            weights = torch.full_like(losses, 1.0 / len(self.targets))
        self._descend(torch.einsum("k,k...->...", weights.to(gradients), gradients))
        self.step += 1
        names = [target.name for target in self.targets]
        return StepReport(
            step=self.step,
            steps=self.config.steps,
            losses=dict(zip(names, losses.tolist(), strict=True)),
            weights=dict(zip(names, weights.tolist(), strict=True)),
            effect={n: None if np.isnan(v) else v for n, v in zip(names, effect.tolist(), strict=True)},
        )

    def _batch_indices(self) -> list[int]:
        """Every face once per epoch, in an order that follows from seed and epoch; a short last batch is dropped."""
        size = self.config.batch_size
        per_epoch = max(1, len(self._faces) // size)
        epoch, position = divmod(self.step, per_epoch)
        order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self._faces))
        return [int(i) for i in order[position * size : (position + 1) * size]]

    def _attack(self, k: int, x: Tensor, indices: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, L2mask ``[B]`` and gradient of one target over a batch's parts; their graphs are freed on return.

        The effect is that of the untransformed parts where there are any: what a JPEG leaves is another quantity.
        """
        rng = np.random.default_rng((self.config.seed, self.step, k))
        names, draws = self.targets[k].edits, self.config.draws
        edits = [names[i] for i in _drawn(rng, len(names), draws)]
        transforms = [self.config.transforms[i] for i in _drawn(rng, len(self.config.transforms), draws)]
        loss, gradient = torch.zeros((), device=self.device), torch.zeros_like(self.delta)
        weights = self.edits[k].weights()
        effects: dict[bool, list[Tensor]] = {True: [], False: []}
        rows = np.array_split(np.arange(len(indices)), draws)
        for edit, name, part in zip(edits, transforms, rows, strict=True):
            drawn = transform(name)
            some = [indices[i] for i in part]
            part_loss, effect, slope = self._attack_part(k, x[part], some, edit, drawn, seed=int(rng.integers(2**31)))
            share = weights[edit] * len(part) / len(indices)
            loss, gradient = loss + share * part_loss, gradient + share * slope
            effects[drawn.name == "none"].append(effect)
            if drawn.name == "none":
                self.edits[k].observe(edit, effect)
        return loss, torch.cat(effects[True] or effects[False]), gradient

    def _attack_part(
        self, k: int, x: Tensor, indices: list[int], edit: str, drawn: Transform, *, seed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, L2mask ``[B]`` and gradient of one target, one edit and one transform."""
        target = self.targets[k]
        small = resize(x, target.image_size)
        reference, clean = self._reference(k, drawn=drawn, seed=seed, x=x, small=small, indices=indices, edit=edit)
        delta = self.delta.clone().requires_grad_(True)
        perturbed = drawn.apply((x + delta).clamp(-1.0, 1.0), torch.Generator().manual_seed(seed))
        with autocast(self.device):
            attacked = target.manipulate(resize(perturbed, target.image_size), edit)
        lam = self.config.tap_weight
        masked = l2_mask(target.mask_reference(reference, edit), clean.output, attacked.output.float())
        if self.config.objective == "mask":
            errors = torch.where(masked.isnan(), 0.0, masked)
        else:
            errors = (attacked.output.float() - clean.output).square().mean(dim=(1, 2, 3))
        loss = -(
            (1.0 - lam) * self._saturating(errors)
            + lam * F.mse_loss(attacked.tap.float(), clean.tap) / clean.tap.square().mean().clamp_min(TAP_POWER_FLOOR)
        )
        (gradient,) = torch.autograd.grad(loss, delta)
        return loss.detach(), masked.detach(), gradient

    def _saturating(self, errors: Tensor) -> Tensor:
        """The mean of squared errors ``[B]``, each of which counts little more once it is far beyond the saturation."""
        c = self.config.saturation
        return (errors if c is None else c * torch.log1p(errors / c)).mean()

    def _reference(
        self, k: int, *, drawn: Transform, seed: int, x: Tensor, small: Tensor, indices: list[int], edit: str
    ) -> tuple[Tensor, Manipulation]:
        """The clean input and output the attack is compared with."""
        if not drawn.geometric:
            return small, self._clean[k].get(small, indices, edit)
        target = self.targets[k]
        with torch.no_grad(), autocast(self.device):
            moved = resize(drawn.apply(x, torch.Generator().manual_seed(seed)), target.image_size)
            made = target.manipulate(moved, edit)
        return moved, Manipulation(made.output.float(), made.tap.float())

    def _descend(self, direction: Tensor) -> None:
        scale = direction.abs().mean()
        if float(scale) > 0.0:
            direction = direction / scale
        self.momentum = self.config.momentum * self.momentum + direction
        self.delta = self.bound.project(self.delta - self.config.step_size_at(self.step) * self.momentum.sign())

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs."""
        return {
            "step": self.step,
            "delta": self.delta.cpu(),
            "momentum": self.momentum.cpu(),
            "weighting": self.weighting.state_dict(),
            "edits": [balance.state_dict() for balance in self.edits],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken; targets, faces and configuration must be the same."""
        self.step = int(state["step"])
        self.delta = state["delta"].to(self.device)
        self.momentum = state["momentum"].to(self.device)
        self.weighting.load_state_dict(state["weighting"])
        for balance, saved in zip(self.edits, state["edits"], strict=True):
            balance.load_state_dict(saved)


def _drawn(rng: np.random.Generator, choices: int, draws: int) -> list[int]:
    """``draws`` of ``choices``, each as often as any other give or take one."""
    rounds = -(-draws // choices)
    return [int(i) for _ in range(rounds) for i in rng.permutation(choices)][:draws]
