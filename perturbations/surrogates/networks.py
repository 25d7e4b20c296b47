"""Networks that exist only while surrogates are trained and measured."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def keep_variance(*parts: nn.Module) -> None:
    """Initialise convolutions so that what passes them neither fades nor grows (He et al., ICCV 2015)."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class Trunk(nn.Sequential):
    """Strided convolutions from ``[B, 3, S, S]``, S a power of two, down to ``[B, channels, 4, 4]``."""

    def __init__(self, *, image_size: int, width: int = 64, max_width: int = 512) -> None:
        depth = int(math.log2(image_size)) - 2
        widths = [min(width * 2**i, max_width) for i in range(depth)]
        layers: list[nn.Module] = []
        for n_in, n_out in zip([3, *widths], widths, strict=False):
            layers += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.2)]
        super().__init__(*layers)
        keep_variance(self)
        self.channels = widths[-1]

    def features(self, x: Tensor) -> list[Tensor]:
        """What every activation gives, the deepest last."""
        found = []
        for layer in self:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return found


class Discriminator(nn.Module):
    """StarGAN's discriminator: strided convolutions, a patch head for real or fake and a head for the attributes.

    ``forward(x [B, 3, S, S])`` gives realness ``[B, 1, s, s]`` and attribute logits ``[B, n_attrs]``.
    """

    def __init__(self, *, image_size: int, n_attrs: int = 2) -> None:
        super().__init__()
        self.main = Trunk(image_size=image_size)
        self.realness = nn.Conv2d(self.main.channels, 1, 3, 1, 1, bias=False)
        self.attributes = nn.Conv2d(self.main.channels, n_attrs, 4, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.main(x)
        return self.realness(h), self.attributes(h).flatten(1)


class AttributeClassifier(nn.Module):
    """A small residual network that judges edits; it shares neither weights nor training with any surrogate.

    ``forward(x [B, 3, S, S])`` gives attribute logits ``[B, n_attrs]``.
    """

    def __init__(self, *, width: int = 32, n_attrs: int = 2) -> None:
        super().__init__()
        widths = (width * 2, width * 4, width * 4)
        blocks: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1)]
        for n_in, n_out in zip((width, *widths), widths, strict=False):
            blocks += [_Down(n_in, n_out)]
        self.main = nn.Sequential(*blocks, nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(widths[-1], n_attrs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.main(x)))
        return logits


class _Down(nn.Module):
    """Pre-activation residual block that halves the resolution."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.ReLU(),
            nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
        )
        self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(n_in, n_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x) + self.skip(x)
        return y


class Average:
    """Exponential moving average of a module's parameters and buffers."""

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor.detach(), 1.0 - self.decay)
            else:
                self.state[name].copy_(tensor)
