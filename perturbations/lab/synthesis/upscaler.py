"""From 32×32 to 128×128 pixels: the network, and how it learns what faces look like close up."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perturbations.images import resize
from perturbations.lab.surrogates.faces import Batch
from perturbations.lab.synthesis.critic import Critic
from perturbations.lab.synthesis.decoder import CODE, SMALL, Decoder
from perturbations.lab.synthesis.recipe import DrawingRecipe
from perturbations.precision import autocast

LARGE: Final = 128
"""Side of the faces that come out."""


class _Block(nn.Module):
    """Pre-activation residual block that keeps size and width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1)
        )
        nn.init.zeros_(self.body[3].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.body(x)
        return y


class Upscaler(nn.Module):
    """``[B, 3, 32, 32]`` to ``[B, 3, 128, 128]``: adds to the enlarged picture. Most of its work is at 32×32."""

    def __init__(self, *, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.width = width
        half = width // 2
        self.at_32 = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1), *(_Block(width) for _ in range(blocks)))
        self.to_64 = nn.Sequential(nn.Conv2d(width, 4 * half, 1), nn.PixelShuffle(2), _Block(half), _Block(half))
        self.to_128 = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(half, 4 * 16, 3, 1, 1), nn.PixelShuffle(2))
        self.picture = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.to_128(self.to_64(self.at_32(x)))
        enlarged = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
        picture: Tensor = enlarged.float() + self.picture(h).float()
        return picture


class Upscaling(DrawingRecipe):
    """Real faces are shrunk, blurred and given some noise, and must come back; the critic judges what comes back.

    With ``small``, half of every batch are faces that decoder draws. They have no original: the result must
    convince the critic and shrink to the input.
    """

    batch_size: int = 16
    image_size: ClassVar[int] = LARGE
    r1_weight: ClassVar[float] = 1.0
    average_decay: ClassVar[float] = 0.995
    difference_weight: ClassVar[float] = 5.0
    ramp: ClassVar[int] = 500
    noise: ClassVar[float] = 0.06
    """Largest standard deviation of the noise: drawn faces are never as clean as shrunk ones."""

    def __init__(self, *, width: int, seed: int, device: torch.device, small: Decoder | None = None) -> None:
        torch.manual_seed(seed)
        self.upscaler = Upscaler(width=width)
        self.small = None if small is None else small.to(device)
        critic = Critic(image_size=LARGE, width=max(8, width // 4))
        super().__init__(generator=self.upscaler, discriminator=critic, device=device)

    def step(self, batch: Batch, *, step: int, seed: int) -> dict[str, float]:
        rng = self._rng(step, seed)
        x = batch.x.to(self.device).contiguous(memory_format=torch.channels_last)
        given = x if self.small is None else x[: (len(x) + 1) // 2]
        shrunk = self._worn(resize(given, SMALL), rng)
        if self.small is not None:
            with torch.no_grad():
                drawn = self.small(self._noise(len(x) - len(given), CODE, rng=rng)).clamp(-1.0, 1.0)
            shrunk = torch.cat([shrunk, drawn])
        with autocast(self.device):
            fake: Tensor = self.upscaler(shrunk.contiguous(memory_format=torch.channels_last))
        losses = self._critic_step(x, fake, rng, step=step)
        with autocast(self.device):
            adversarial = self._adversarial(fake, rng, step=step)
        back, drawn_back = fake[: len(given)], fake[len(given) :]
        terms = {
            "g_adversarial": adversarial,
            "g_difference": self.difference_weight * (back - given).abs().mean(),
        }
        if len(drawn_back):
            kept = (resize(drawn_back, SMALL) - shrunk[len(given) :]).abs().mean()
            terms["g_kept"] = self.difference_weight * kept
        return losses | self.update_generator(terms)

    def _worn(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Each picture of ``[B, 3, 32, 32]`` somewhat blurred and noisy, some hardly, some visibly."""
        blur, noise = torch.rand((2, len(x), 1, 1, 1), generator=rng).to(x)
        soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        worn: Tensor = torch.lerp(x, soft, 0.5 * blur) + self.noise * noise.square() * self._noise(*x.shape, rng=rng)
        return worn

    def averaged(self) -> Upscaler:
        """The upscaler with averaged weights, frozen, on the CPU."""
        upscaler = Upscaler(width=self.upscaler.width)
        upscaler.load_state_dict({name: tensor.cpu() for name, tensor in self.average.state.items()})
        return upscaler.eval().requires_grad_(False)
