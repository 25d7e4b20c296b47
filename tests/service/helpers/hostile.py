"""Malicious or oversized checkpoints, built by hand, byte by byte if necessary."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from perturbations.checkpoints.shipped import surrogate_path


def hashing_bomb(depth: int = 100) -> bytes:
    """A few hundred bytes whose only key is a tuple of twice the same tuple, and so on: hashing it takes 2^depth steps.

    No code in it, so that PyTorch's restricted unpickler takes it.
    """
    nested = b"".join(pickle.BINPUT + bytes([i]) + pickle.BINGET + bytes([i]) + pickle.TUPLE2 for i in range(depth))
    key = pickle.BININT1 + b"\0" + nested
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + key + pickle.BININT1 + b"\0" + pickle.SETITEM + pickle.STOP


def zipped_hashing_bomb() -> bytes:
    """The same in today's container."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", hashing_bomb())
        archive.writestr("archive/version", "3\n")
    return written.getvalue()


def resized(name: str, folder: Path, **changes: object) -> Path:
    """A generator that ships, with another configuration in its note: weights that fit at any size of image."""
    with safe_open(surrogate_path(name), framework="pt") as file:
        note = json.loads(file.metadata()["poise"])
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    note["config"] |= changes
    path = folder / f"{name}-changed.safetensors"
    save_file(state, path, metadata={"poise": json.dumps(note)})
    return path


def many_edits(folder: Path, count: int) -> Path:
    """A generator that ships, with ``count`` edits."""
    with safe_open(surrogate_path("stargan"), framework="pt") as file:
        edits = json.loads(file.metadata()["poise"])["config"]["edits"]
    labels = next(iter(edits.values()))
    return resized("stargan", folder, edits={f"edit_{i}": labels for i in range(count)})


def poisoned(folder: Path) -> Path:
    """A StarGAN whose weights are finite, and what it makes is not."""
    with safe_open(surrogate_path("stargan"), framework="pt") as file:
        metadata = file.metadata()
        state = {key: torch.full_like(file.get_tensor(key), 6e4) for key in file.keys()}  # noqa: SIM118
    state = {key: tensor.float() * 1e33 if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    path = folder / "poisoned.safetensors"
    save_file(state, path, metadata=metadata)
    return path
