"""What the tests of applying share: the one photo they use, and perturbations of the shipped shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image

from perturbations.artifact import SHAPE, Perturbation
from perturbations.bounds import Linf
from perturbations.images import RgbArray

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """The file: PNG, 512 x 512, one face at about (225, 115)."""
    return ASTRONAUT.read_bytes()


@pytest.fixture(scope="session")
def pixels() -> RgbArray:
    """Its pixels."""
    with Image.open(ASTRONAUT) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def signs() -> Perturbation:
    """The strongest perturbation of the usual bound: every entry at its border."""
    return Perturbation("signs", Linf(0.05).signs(SHAPE, torch.Generator().manual_seed(0)), 0.05, {})
