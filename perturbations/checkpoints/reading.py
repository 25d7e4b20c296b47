"""Reads tensors from untrusted checkpoint files.

Nothing in a file is ever executed: safetensors contain no code, and PyTorch files go through the restricted unpickler.
All sizes that a file claims are checked before memory is allocated for them.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from perturbations.data.listing import BoundedZip, ListingTooLong
from perturbations.errors import BadCheckpoint

MAX_BYTES: Final = 2 * 1024**3
"""The largest checkpoint that is read, on disk and unpacked."""
MAX_MEMBERS: Final = 100_000
"""The most files in a PyTorch checkpoint, which has one for every tensor."""
NOTE_KEY: Final = "poise"
"""The metadata entry of Poise's own safetensors: JSON with at least ``architecture`` and ``config``."""
DIFFUSERS_FILES: Final = tuple(
    f"diffusion_pytorch_model{variant}" for variant in (".safetensors", ".fp16.safetensors", ".bin")
)
"""The diffusers library's names for the weights of a model in its folder."""
GENERATOR_KEYS: Final = ("gen_test", "G")
"""Keys of the generator in official checkpoints that hold more: HiSD's average, AttGAN's ``G``."""
HALVES: Final = ("encoder", "decoder")
"""The ends of the names of two files that together hold one autoencoder (madebyollin/taesd)."""

_UNSAFE = re.compile(r"unsupported (?:global|class|operand|type)|not an allowed global", re.IGNORECASE)
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_HALF = re.compile(rf"(.*)({'|'.join(HALVES)})(\.\w+)")
_NUMBERED = re.compile(r"\d+\.")


class CheckpointFile(NamedTuple):
    """The tensors of a generator by name, and the note in Poise's own files (``None`` for others)."""

    state: dict[str, Tensor]
    note: Mapping[str, Any] | None


def read_state(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Tensor]:
    """The generator's state dict in a checkpoint file, on the CPU, in the precision it is stored in.

    Reads safetensors and PyTorch files (zip or legacy container), takes the generator out of official checkpoints that
    hold more, and strips the ``module.`` of data-parallel training.

    Raises:
        BadCheckpoint: the file is missing, empty, too large, damaged, unsafe, or holds no generator.
    """
    return read_file(path, max_bytes=max_bytes).state


def weights_file(path: Path) -> Path:
    """The weights in a folder of the diffusers library (or in its ``vae/``); a path to a file is returned unchanged.

    For an autoencoder in two files it is the encoder; :func:`read_file` reads both, given either.

    Raises:
        BadCheckpoint: a folder holds none, or more than one.
    """
    if not path.is_dir():
        return path
    for folder in (path, path / "vae"):
        for name in DIFFUSERS_FILES:
            if (folder / name).is_file():
                return folder / name
    pairs = sorted({files[0] for file in path.iterdir() if len(files := halves(file)) > 1})
    if len(pairs) > 1:
        raise BadCheckpoint(f"{path} holds more than one autoencoder; name one of {', '.join(p.name for p in pairs)}")
    if pairs:
        return pairs[0]
    raise BadCheckpoint(f"{path} is a folder without {' or '.join(DIFFUSERS_FILES)}, or vae/ with one; name the file")


def halves(path: Path) -> tuple[Path, ...]:
    """The files that belong to the one at ``path``: itself, or encoder and decoder if both exist."""
    found = _HALF.fullmatch(path.name)
    if found is None:
        return (path,)
    both = tuple(path.with_name(f"{found[1]}{half}{found[3]}") for half in HALVES)
    return both if all(half.is_file() for half in both) else (path,)


def read_note(path: Path) -> Mapping[str, Any] | None:
    """The note in one of Poise's own checkpoints, without reading its tensors; ``None`` for other checkpoints.

    Raises:
        BadCheckpoint: the file is missing, empty, too large or damaged.
    """
    _check_size(path, MAX_BYTES)
    with path.open("rb") as file:
        ours = _is_safetensors(file)
    return _read_safetensors(path, tensors=False).note if ours else None


def holds_no_code(path: Path) -> bool:
    """Whether a checkpoint is safetensors, which needs no unpickler."""
    with path.open("rb") as file:
        return _is_safetensors(file)


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> CheckpointFile:
    """Like :func:`read_state`, with the note.

    For an autoencoder in two files, the names get the prefixes ``encoder.`` and ``decoder.``.
    """
    found = _read_one(path, max_bytes)
    if _HALF.fullmatch(path.name) is None or not all(_NUMBERED.match(name) for name in found.state):
        return found
    files = halves(path)
    if len(files) == 1:
        raise BadCheckpoint(
            f"{path.name} is half of an autoencoder: encoder and decoder must be in one folder, under names "
            f"that end with {' and '.join(HALVES)}"
        )
    states = [found.state if file == path else _read_one(file, max_bytes).state for file in files]
    joined = {f"{half}.{name}": t for half, state in zip(HALVES, states, strict=True) for name, t in state.items()}
    return CheckpointFile(joined, None)


def _read_one(path: Path, max_bytes: int) -> CheckpointFile:
    _check_size(path, max_bytes)
    with path.open("rb") as file:
        # safetensors first: the length they start with may look like either of PyTorch's signatures
        if not _is_safetensors(file):
            file.seek(0)
            start = file.read(4)
            if start != b"PK\x03\x04" and start[:1] != b"\x80":
                raise BadCheckpoint(f"{path.name} is neither a safetensors file nor a PyTorch checkpoint")
            return CheckpointFile(_generator(path, _read_torch(path, file, max_bytes), max_bytes), None)
    state, note = _read_safetensors(path, tensors=True)
    return CheckpointFile(_generator(path, state, max_bytes), note)


def _check_size(path: Path, max_bytes: int) -> None:
    if not path.is_file():
        raise BadCheckpoint(f"no such file: {path}")
    size = path.stat().st_size
    if size == 0:
        raise BadCheckpoint(f"{path.name} is empty; copy or download it again")
    if size > max_bytes:
        raise BadCheckpoint(f"{path.name} has {size} bytes, more than the limit of {max_bytes}")


def _is_safetensors(file: BinaryIO) -> bool:
    file.seek(8)
    return file.read(1) == b"{"


def _read_safetensors(path: Path, *, tensors: bool) -> CheckpointFile:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} is damaged ({error}); copy or download it again") from error
    if NOTE_KEY not in metadata:
        return CheckpointFile(state, None)
    try:
        note = json.loads(metadata[NOTE_KEY])
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{path.name}: its {NOTE_KEY!r} metadata is not JSON") from error
    if not isinstance(note, dict) or not isinstance(note.get("architecture"), str) or not _is_config(note):
        raise BadCheckpoint(f"{path.name}: its {NOTE_KEY!r} metadata needs an architecture and a config")
    return CheckpointFile(state, note)


def _is_config(note: Mapping[str, Any]) -> bool:
    return isinstance(note.get("config"), dict)


def _read_torch(path: Path, file: BinaryIO, max_bytes: int) -> Any:
    try:
        _check_unpacked(path, file, max_bytes)
        with warnings.catch_warnings():
            # warnings are for the author of the file; real problems raise
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except BadCheckpoint:
        raise
    except Exception as error:  # an unpickler can raise anything on untrusted bytes
        text = str(error)
        if isinstance(error, pickle.UnpicklingError) and _UNSAFE.search(text):
            found = _GLOBAL.search(text)
            what = f" ({found[1]})" if found else ""
            raise BadCheckpoint(
                f"{path.name} contains code or objects besides tensors{what}, so it was not loaded; "
                "save only the generator's state_dict(), if you trust its source"
            ) from error
        raise BadCheckpoint(
            f"{path.name} is damaged or not a PyTorch checkpoint; copy or download it again ({type(error).__name__})"
        ) from error


def _check_unpacked(path: Path, file: BinaryIO, max_bytes: int) -> None:
    """Refuse an archive that is small only because it is compressed. Rewinds the file."""
    if zipfile.is_zipfile(file):
        try:
            with BoundedZip(path, most=MAX_MEMBERS) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
        except ListingTooLong as error:
            raise BadCheckpoint(f"{path.name} {error}") from error
        if unpacked > max_bytes:
            raise BadCheckpoint(f"{path.name} unpacks to {unpacked} bytes, more than the limit of {max_bytes}")
    file.seek(0)


def _generator(path: Path, found: Any, max_bytes: int) -> dict[str, Tensor]:
    """The generator's tensors among the contents of a checkpoint."""
    if isinstance(found, Mapping):
        found = next((found[key] for key in GENERATOR_KEYS if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        inside = ", ".join(map(repr, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        raise BadCheckpoint(
            f"{path.name} holds no generator: expected a state dict, or one under {' or '.join(GENERATOR_KEYS)}; "
            f"found {inside}"
        )
    if not found:
        raise BadCheckpoint(f"{path.name} holds no tensors")
    prefix = "module." if all(name.startswith("module.") for name in found) else ""
    state = {name.removeprefix(prefix): tensor.detach() for name, tensor in found.items()}
    # a small file can describe huge tensors: views that repeat one element
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > max_bytes:
        raise BadCheckpoint(f"{path.name} declares more than {max_bytes} bytes of tensors, the limit")
    for name, tensor in state.items():
        _check_tensor(path, name, tensor)
    return state


def _check_tensor(path: Path, name: str, tensor: Tensor) -> None:
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_complex():
        raise BadCheckpoint(f"{path.name}: {name} is not a dense tensor of real numbers")
    if not bool(tensor.isfinite().all()):
        raise BadCheckpoint(f"{path.name}: {name} has values that are not finite: its training has diverged")
