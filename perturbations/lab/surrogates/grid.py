"""A picture to judge a surrogate by: one row per face, the face first, then every edit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from perturbations.images import RgbArray, to_tensor, to_uint8
from perturbations.targets.interface import Target


def edit_grid(target: Target, faces: RgbArray) -> RgbArray:
    """``[N * S, (1 + edits) * S, 3]`` from faces ``[N, S, S, 3]`` at the target's resolution."""
    x = to_tensor(faces)
    with torch.inference_mode():
        columns = [faces, *(to_uint8(target(x, edit)) for edit in target.edits)]
    # columns of [N, S, S, 3] -> [N, S, K * S, 3] -> [N * S, K * S, 3]
    return np.concatenate(np.concatenate(columns, axis=2), axis=0)


def save_grid(target: Target, faces: RgbArray, path: Path, *, zoom: int = 2) -> None:
    """Write :func:`edit_grid` as a PNG, enlarged ``zoom`` times."""
    grid = Image.fromarray(edit_grid(target, faces))
    grid.resize((grid.width * zoom, grid.height * zoom), Image.Resampling.BICUBIC).save(path)
