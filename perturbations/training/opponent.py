"""A target within a training: its networks, their clean outputs, and the balance of its edits and transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.effect import l2_mask
from perturbations.images import resize
from perturbations.precision import autocast
from perturbations.targets.interface import Manipulation, Target
from perturbations.training.balance import Balance
from perturbations.training.clean import CleanOutputs
from perturbations.training.config import TrainingConfig
from perturbations.training.transforms import Transform, transform

TAP_POWER_FLOOR: Final = 1e-6


class Meeting(NamedTuple):
    """What one step did to a target. loss: a scalar; effect: L2mask of some faces; gradient: ``[1, 3, S, S]``."""

    loss: Tensor
    effect: Tensor
    gradient: Tensor


class Opponent:
    """One target of a training.

    Args:
        members: networks of one architecture with the same edits; a step meets one of them, drawn anew. The first one
            gives the name.
        number: its place among the targets of the training; what it draws depends on seed, step and this.
        max_bytes: for clean outputs.
    """

    def __init__(
        self,
        members: Sequence[Target],
        config: TrainingConfig,
        *,
        number: int,
        device: torch.device,
        max_bytes: int,
    ) -> None:
        if not members:
            raise ValueError("a target needs a network")
        self.members = tuple(members)
        self.name = members[0].name
        self.config = config
        self.number = number
        self.device = device
        self.edits = Balance(members[0].edits, temperature=config.edit_temperature)
        self.transforms = Balance(tuple(dict.fromkeys(config.transforms)), temperature=config.transform_temperature)
        self._clean = [CleanOutputs(member, max_bytes=max_bytes // len(members)) for member in members]

    def meet(self, delta: Tensor, x: Tensor, indices: list[int], *, step: int) -> Meeting:
        """Attack one network of this target with ``delta`` on a batch ``x [B, 3, S, S]``; no graph is left over.

        The batch is split into parts with an edit and a transform each. The effect is that of the parts
        that keep all detail, if there are any, because the effect after a JPEG is another quantity.
        """
        rng = np.random.default_rng((self.config.seed, step, self.number))
        draws = self.config.draws
        member = int(rng.integers(len(self.members))) if len(self.members) > 1 else 0
        edits = self._turns(rng, self.members[0].edits, draws)
        transforms = self._drawn_transforms(rng, draws)
        loss, gradient = torch.zeros((), device=self.device), torch.zeros_like(delta)
        weights = self.edits.weights()
        effects: dict[bool, list[Tensor]] = {True: [], False: []}
        rows = np.array_split(np.arange(len(indices)), draws)
        for edit, name, part in zip(edits, transforms, rows, strict=True):
            drawn = transform(name)
            some = [indices[i] for i in part]
            seed = int(rng.integers(2**31))
            met = self._part(member, delta, x[part], some, edit=edit, drawn=drawn, seed=seed)
            share = weights[edit] * len(part) / len(indices)
            loss, gradient = loss + share * met.loss, gradient + share * met.gradient
            effects[drawn.whole].append(met.effect)
            self.transforms.observe(name, met.effect)
            if drawn.whole:
                self.edits.observe(edit, met.effect)
        return Meeting(loss, torch.cat(effects[True] or effects[False]), gradient)

    def _drawn_transforms(self, rng: np.random.Generator, draws: int) -> list[str]:
        """In turn, or, if configured, more often those after which the least is interrupted."""
        if self.config.transform_temperature is None:
            return self._turns(rng, self.config.transforms, draws)
        weights = self.transforms.weights()
        listed = np.array([weights[name] for name in self.config.transforms])
        chosen = rng.choice(len(listed), size=draws, p=listed / listed.sum())
        return [self.config.transforms[i] for i in chosen]

    @staticmethod
    def _turns(rng: np.random.Generator, names: Sequence[str], draws: int) -> list[str]:
        """``draws`` names, each as often as any other give or take one."""
        rounds = -(-draws // len(names))
        return [names[int(i)] for _ in range(rounds) for i in rng.permutation(len(names))][:draws]

    def _part(
        self, member: int, delta: Tensor, x: Tensor, indices: list[int], *, edit: str, drawn: Transform, seed: int
    ) -> Meeting:
        """One network, one edit, one transform."""
        target = self.members[member]
        reference, clean = self._reference(member, x, indices, edit=edit, drawn=drawn, seed=seed)
        leaf = delta.clone().requires_grad_(True)
        perturbed = drawn.apply((x + leaf).clamp(-1.0, 1.0), torch.Generator().manual_seed(seed))
        with autocast(self.device):
            attacked = target.manipulate(resize(perturbed, target.image_size), edit)
        lam = self.config.tap_weight
        masked = l2_mask(target.mask_reference(reference, edit), clean.output, attacked.output.float())
        if self.config.objective == "mask":
            errors = torch.where(masked.isnan(), 0.0, masked)
        else:
            errors = (attacked.output.float() - clean.output).square().mean(dim=(1, 2, 3))
        power = clean.tap.square().mean().clamp_min(TAP_POWER_FLOOR)
        loss = -(
            (1.0 - lam) * saturating(errors, self.config.saturation)
            + lam * F.mse_loss(attacked.tap.float(), clean.tap) / power
        )
        (gradient,) = torch.autograd.grad(loss, leaf)
        return Meeting(loss.detach(), masked.detach(), gradient)

    def _reference(
        self, member: int, x: Tensor, indices: list[int], *, edit: str, drawn: Transform, seed: int
    ) -> tuple[Tensor, Manipulation]:
        """The clean input and output the attack is compared with."""
        target = self.members[member]
        if not drawn.geometric:
            small = resize(x, target.image_size)
            return small, self._clean[member].get(small, indices, edit)
        with torch.no_grad(), autocast(self.device):
            moved = resize(drawn.apply(x, torch.Generator().manual_seed(seed)), target.image_size)
            made = target.manipulate(moved, edit)
        return moved, Manipulation(made.output.float(), made.tap.float())

    def state_dict(self) -> dict[str, Any]:
        """Everything exact resumption needs."""
        return {"edits": self.edits.state_dict(), "transforms": self.transforms.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        self.edits.load_state_dict(state["edits"])
        self.transforms.load_state_dict(state["transforms"])


def saturating(errors: Tensor, saturation: float | None) -> Tensor:
    """The mean of squared errors ``[B]``, each of which hardly counts more once it is far beyond the saturation."""
    return (errors if saturation is None else saturation * torch.log1p(errors / saturation)).mean()
