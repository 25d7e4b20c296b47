"""What administrators upload in tests: one face in many variations, and a generator that trains in seconds."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from perturbations.checkpoints.loading import save_checkpoint
from perturbations.targets.label_translator import CELEBA_EDITS
from perturbations.targets.stargan import StarGAN

TINY = "tiny"
FACE = (150, 0, 310, 190)
"""Where the astronaut's face is, left, top, right, bottom."""


def face_files(astronaut_png: bytes, count: int) -> dict[str, bytes]:
    """``count`` chips of 128 pixels: shifted, scaled, mirrored, lighter and darker, the same at each call."""
    rng = np.random.default_rng(0)
    with Image.open(io.BytesIO(astronaut_png)) as photo:
        portrait = photo.convert("RGB")
    files: dict[str, bytes] = {}
    for i in range(count):
        left, top, right, bottom = (value + int(rng.integers(-12, 13)) for value in FACE)
        chip = portrait.crop((left, max(0, top), right, bottom)).resize((128, 128))
        chip = ImageOps.mirror(chip) if rng.random() < 0.5 else chip
        chip = ImageEnhance.Brightness(chip).enhance(float(rng.uniform(0.7, 1.3)))
        written = io.BytesIO()
        chip.save(written, "JPEG", quality=92)
        files[f"face-{i:03d}.jpg"] = written.getvalue()
    return files


def zipped(files: dict[str, bytes]) -> bytes:
    """An archive."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return written.getvalue()


def tiny_generator(*, seed: int = 0) -> StarGAN:
    """A StarGAN so small that a quick training against it takes seconds, and with gain enough to be interrupted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target = StarGAN(edits={"one": (1.0,)}, image_size=16, conv_dim=4, c_dim=1, repeat_num=1)
        with torch.no_grad():
            for name, parameter in target.generator.named_parameters():
                if name.endswith("weight") and parameter.dim() == 4:
                    parameter.mul_(3.0)
    target.freeze()
    return target


def official_checkpoint(folder: Path) -> bytes:
    """A small StarGAN in the official layout, with the five labels of the published one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        target = StarGAN(edits=CELEBA_EDITS, conv_dim=4, repeat_num=1)
    torch.save(target.generator.state_dict(), folder / "200000-G.ckpt")
    return (folder / "200000-G.ckpt").read_bytes()


def tiny_checkpoint(folder: Path, *, seed: int = 0) -> bytes:
    """Its checkpoint, as safetensors of our own."""
    path = folder / f"tiny-{seed}.safetensors"
    save_checkpoint(tiny_generator(seed=seed), path, extra={})
    return path.read_bytes()
