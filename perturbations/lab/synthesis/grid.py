"""Pictures to judge the two networks by; those with real faces must not ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perturbations.images import RgbArray, resize, to_tensor, to_uint8
from perturbations.lab.synthesis.decoder import CODE, SMALL, Decoder
from perturbations.lab.synthesis.upscaler import LARGE, Upscaler


def codes(count: int, *, seed: int = 0) -> Tensor:
    """``[count, CODE]`` from a standard normal."""
    return torch.randn((count, CODE), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def save_drawn(decoder: Decoder, path: Path, *, side: int = 8) -> None:
    """``side``×``side`` faces of nobody, four times enlarged."""
    faces = resize(decoder(codes(side * side)), LARGE)
    _save(to_uint8(faces), path, columns=side)


@torch.inference_mode()
def save_upscaled(upscaler: Upscaler, faces: RgbArray, path: Path, *, small: Decoder | None = None) -> None:
    """A row each: faces ``[N, 128, 128, 3]`` shrunk, upscaled and as they are; then faces of nobody, if drawn."""
    x = to_tensor(faces)
    shrunk = resize(x, SMALL)
    rows = [to_uint8(resize(shrunk, LARGE)), to_uint8(upscaler(shrunk)), faces]
    if small is not None:
        drawn = small(codes(len(faces))).clamp(-1.0, 1.0)
        rows += [to_uint8(resize(drawn, LARGE)), to_uint8(upscaler(drawn))]
    _save(np.concatenate(rows), path, columns=len(faces))


def save_faces(faces: RgbArray, path: Path) -> None:
    """Faces ``[N, S, S, 3]`` in rows of 16; an incomplete last row is left out."""
    columns = min(16, len(faces))
    _save(faces[: len(faces) // columns * columns], path, columns=columns)


def _save(pictures: RgbArray, path: Path, *, columns: int) -> None:
    """``[rows * columns, S, S, 3]`` as one picture."""
    rows = pictures.reshape(-1, columns, *pictures.shape[1:])
    # [R, C, S, S, 3] -> [R * S, C * S, 3]
    grid = np.concatenate(np.concatenate(list(rows.transpose(1, 0, 2, 3, 4)), axis=2), axis=0)
    Image.fromarray(grid).save(path)
