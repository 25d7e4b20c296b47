"""Networks that exist only while surrogates are trained and measured."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Slope of every leaky activation here."""


def keep_variance(*parts: nn.Module) -> None:
    """Initialise convolutions so that signals neither fade nor grow (He et al., ICCV 2015)."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def channels(size: int) -> int:
    """Channels of a trunk's feature map of ``size`` pixels a side."""
    return min(max(1024 // size, 16), 256)


class Trunk(nn.Module):
    """Strided convolutions from ``[B, 3, S, S]``, S a power of two from 8 up, down to ``[B, channels, 4, 4]``.

    Layers are named after the resolution they work at, so a trunk for twice the size can take over what a smaller one
    has learnt (progressive growing: Karras et al., ICLR 2018). While ``fade`` is below 1 the outermost block counts
    only for that part; the rest comes from the halved picture, which is all the smaller trunk saw.
    """

    def __init__(self, *, image_size: int) -> None:
        super().__init__()
        sizes = [image_size >> i for i in range(image_size.bit_length() - 3)]  # S, S / 2, ... 8
        outer = (image_size, image_size // 2)
        self.from_rgb = nn.ModuleDict({str(size): nn.Conv2d(3, channels(size), 1) for size in outer})
        self.blocks = nn.ModuleDict({str(s): nn.Conv2d(channels(s), channels(s // 2), 4, 2, 1) for s in sizes})
        keep_variance(self)
        self.image_size = image_size
        self.channels = channels(4)
        self.fade = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]

    def features(self, x: Tensor) -> list[Tensor]:
        """The output of every block, the deepest last."""
        found: list[Tensor] = []
        h = self._read(x, self.image_size)
        for block in self.blocks.values():
            h = F.leaky_relu(block(h), SLOPE)
            if not found and self.fade < 1.0:
                h = torch.lerp(self._read(F.avg_pool2d(x, 2), self.image_size // 2).to(h), h, self.fade)
            found.append(h)
        return found

    def _read(self, x: Tensor, size: int) -> Tensor:
        return F.leaky_relu(self.from_rgb[str(size)](x), SLOPE)


class Judging(nn.Module):
    """A discriminator: heads on a trunk, which is what grows."""

    main: Trunk


class Discriminator(Judging):
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
