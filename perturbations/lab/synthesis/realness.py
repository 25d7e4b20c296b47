"""How real a drawing looks to an independent judge.

A discriminator may choose the best of a generator's drawings (Azadi et al., ICLR 2019). The critic that the networks
learned against cannot: in the end they fool it. So a fresh network learns to tell drawings from photos, at 32×32,
before they are enlarged, and ranks drawings it has not learned from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.images import RgbArray, resize, to_tensor
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.synthesis.critic import altered
from perturbations.lab.synthesis.decoder import SMALL

_BATCH: Final = 256


def train_judge(
    photos: Tensor,
    drawings: Tensor,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    width: int = 32,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> AttributeClassifier:
    """A network whose one logit is larger for photos ``[N, 3, 32, 32]`` than for drawings ``[M, 3, 32, 32]``."""
    torch.manual_seed(seed)
    judge = AttributeClassifier(width=width, n_attrs=1).train()
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps)
    kinds = (photos, drawings)
    is_photo = torch.tensor([1.0, 0.0]).repeat_interleave(batch_size // 2)[:, None]
    for step in range(steps):
        rows = [kind[torch.randint(0, len(kind), (batch_size // 2,), generator=rng)] for kind in kinds]
        x = altered(torch.cat(rows), rng)
        mirrored = torch.rand(len(x), generator=rng) < 0.5
        x[mirrored] = x[mirrored].flip(-1)
        loss = F.binary_cross_entropy_with_logits(judge(x), is_photo)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, steps)
    return judge.eval().requires_grad_(False)


@torch.inference_mode()
def realness(judge: AttributeClassifier, x: Tensor) -> Tensor:
    """The judge's logit for each of ``[N, 3, 32, 32]``: ``[N]``, the higher the more real."""
    return torch.cat([judge(part).flatten() for part in x.split(_BATCH)])


def shrunk(images: RgbArray) -> Tensor:
    """Pictures ``[N, S, S, 3]`` as ``[N, 3, 32, 32]``; in parts, since thousands in floating point take gigabytes."""
    return torch.cat([resize(to_tensor(images[i : i + _BATCH]), SMALL) for i in range(0, len(images), _BATCH)])
