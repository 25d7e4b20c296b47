"""Loads targets from checkpoint files, and saves them.

Official layouts are recognised by the names and shapes of their tensors. Poise's own files are safetensors in half
precision. Their metadata entry ``poise`` says what they hold: ``{"architecture": ..., "config": ..., ...}``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from perturbations.checkpoints.details import Details, Found, missing
from perturbations.checkpoints.reading import (
    NOTE_KEY,
    halves,
    holds_no_code,
    read_file,
    read_note,
    read_state,
    weights_file,
)
from perturbations.errors import BadCheckpoint, BadPlugin
from perturbations.targets.interface import Layout, Target
from perturbations.targets.registry import architecture as architecture_class
from perturbations.targets.registry import names

__all__ = [
    "Admitted",
    "CheckpointInfo",
    "copy_checkpoint",
    "identify",
    "inspect_checkpoint",
    "load_checkpoint",
    "load_converted",
    "read_note",
    "read_state",
    "save_checkpoint",
    "sha256",
]

MAX_HYPER: Final = 4096
"""The largest width, depth or image size of a generator. A file that asks for more is refused."""
MAX_EDITS: Final = 100
"""The most edits of one generator: each is run for every face and named in every report."""
MAX_EDIT_NAME: Final = 64
"""The longest name of an edit, in characters."""
COMPANION: Final = "companions."
"""The start of the names of tensors that belong to a companion, not to the generator."""
_MISFITS = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, OverflowError)
"""Errors of building a generator from an unsuitable configuration or layout."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint file contains. parameters: how many there are; bytes: the size of the file.

    An autoencoder in two files is described as the one file that :func:`copy_checkpoint` makes of them.
    """

    architecture: str
    paradigm: str
    config: Mapping[str, Any]
    parameters: int
    bytes: int
    sha256: str


def identify(state: Mapping[str, Tensor]) -> tuple[str, Mapping[str, Any]]:
    """The architecture of a state dict, and the configuration it needs.

    Raises:
        BadCheckpoint: it fits no known architecture; the message says how it differs from the nearest one.
    """
    nearest = ""
    for name in names():
        try:
            cls = architecture_class(name)
        except BadPlugin:  # reported when it is asked for by name
            continue
        layout = Layout.of(cls.canonical(state))
        try:
            config = cls.infer_config(layout)
            if config is None:
                continue
            differences = list(_differences(cls, config, layout))
        except _MISFITS:
            continue
        if not differences:
            return name, config
        nearest = f"; the nearest is {name}, but {_summary(differences)}"
    some = ", ".join(list(state)[:3])
    raise BadCheckpoint(
        f"the checkpoint fits no known architecture ({', '.join(names())}){nearest}; its tensors are called {some}, ..."
    )


def load_checkpoint(path: Path, *, architecture: str | None = None, config: Mapping[str, Any] | None = None) -> Target:
    """A frozen target on the CPU, in single precision, from a checkpoint file. The random state is left untouched.

    ``path`` may also be a folder with an autoencoder in it, or half of one (see :func:`weights_file`).

    The configuration comes from the file's note (Poise's own) or its layout (official ones). ``architecture`` refuses
    any other, and fields of ``config``, such as ``edits`` or ``image_size``, replace those found.

    Raises:
        BadCheckpoint: the file cannot be read, or does not fit.
        MissingExtra: its architecture needs an optional dependency that is not installed.
        UnknownName: there is no such architecture.
    """
    return _load(weights_file(path), architecture, config)


class Admitted(NamedTuple):
    """A generator from outside. kept: a file to load it from without an unpickler; assumed: details nobody gave."""

    target: Target
    kept: Path
    assumed: tuple[str, ...]


def load_converted(path: Path, copy: Path, *, known: Details, may_assume: bool = False) -> Admitted:
    """The generator in a file, with the details in ``known``, and a file to load it from without an unpickler.

    That is ``path`` itself if it is a single safetensors file. Otherwise ``copy`` is written: in the precision of
    ``path``, under today's names, with the complete configuration in its note.

    Args:
        may_assume: assume missing details instead of raising.

    Raises:
        MissingDetails: more details are needed; the message says what to send.
        BadCheckpoint: the file cannot be read, or does not fit.
        MissingExtra: its architecture needs an optional dependency that is not installed.
        UnknownName: there is no such architecture.
    """
    path = weights_file(path)
    found, state = _found(path, known.architecture)
    shown = _shown(found, state)
    try:
        config, assumed = known.complete(found, shown)
    except _MISFITS as error:
        raise BadCheckpoint(f"{path.name} cannot be built as {found.cls.architecture}: {error}") from error
    if assumed and not may_assume:
        raise missing(found.cls, assumed, shown)
    target = _built(path, found.cls, config, state)
    if holds_no_code(path) and len(halves(path)) == 1:
        return Admitted(target, path, assumed)
    try:
        whole = _whole_state(target).items()
        _write(copy, {name: _stored_as(tensor, state.get(name)) for name, tensor in whole}, target)
    except ValueError as error:  # a configuration that JSON cannot hold
        raise BadCheckpoint(f"{path.name} cannot be kept: {error}") from error
    return Admitted(target, copy, assumed)


def _load(path: Path, architecture: str | None, config: Mapping[str, Any] | None) -> Target:
    found, state = _found(path, architecture)
    return _built(path, found.cls, {**found.config, **(config or {})}, state)


def _found(path: Path, architecture: str | None) -> tuple[Found, Mapping[str, Tensor]]:
    """What a file shows, and its tensors as stored, under today's names."""
    state, note = read_file(path)
    wanted = None if architecture is None else architecture_class(architecture)
    name, config = (note["architecture"], note["config"]) if note is not None else identify(state)
    cls = architecture_class(name)
    if wanted is not None and wanted is not cls:
        raise BadCheckpoint(f"{path.name} holds a {name} generator, not {architecture}")
    if note is None:
        state, config = dict(cls.canonical(state)), cls.infer_beside(config, path.parent)
    return Found(cls, config, note), state


def _shown(found: Found, state: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """What the layout alone shows; what the file says if the layout cannot be read."""
    if found.note is None:
        return found.config
    try:
        return found.cls.infer_config(Layout.of(state)) or found.config
    except _MISFITS:
        return found.config


def _built(path: Path, cls: type[Target], config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Target:
    name = cls.architecture
    try:
        _check_hyper(config)
        differences = list(_differences(cls, config, Layout.of(state)))
        if differences:
            raise BadCheckpoint(f"{path.name} does not fit {name} as configured: {_summary(differences)}")
        with torch.random.fork_rng(devices=[]):
            target = cls.from_config(config)
        companions = {name: tensor for name, tensor in state.items() if name.startswith(COMPANION)}
        target.load_generator({name: tensor for name, tensor in state.items() if name not in companions})
        target.load_companions({name.removeprefix(COMPANION): tensor for name, tensor in companions.items()})
    except _MISFITS as error:
        raise BadCheckpoint(f"{path.name} cannot be built as {name}: {error}") from error
    return target


def save_checkpoint(target: Target, path: Path, *, extra: Mapping[str, Any]) -> None:
    """Write a target's generator and companions in half precision, with ``extra`` (JSON-serialisable) in the note.

    The file appears at ``path`` complete or not at all. A tensor that half precision cannot hold (an entry beyond
    65,504) stays in single precision.

    Raises:
        ValueError: ``extra`` names ``architecture`` or ``config``, or is not serialisable.
    """
    if clash := {"architecture", "config"} & extra.keys():
        raise ValueError(f"extra must not hold {', '.join(sorted(clash))}")
    _write(path, {name: _halved(tensor) for name, tensor in _whole_state(target).items()}, target, extra)


def _write(path: Path, state: dict[str, Tensor], target: Target, extra: Mapping[str, Any] | None = None) -> None:
    """Write Poise's own safetensors: ``state``, and a note on ``target``."""
    about = {"architecture": target.architecture, "config": target.config, **(extra or {})}
    note = json.dumps(about, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / path.name
        save_file(state, draft, metadata={NOTE_KEY: note})
        draft.chmod(0o644)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)


def inspect_checkpoint(path: Path) -> CheckpointInfo:
    """Load a checkpoint, which proves that it fits, and describe it.

    Raises:
        BadCheckpoint: it cannot be read, or does not fit.
    """
    path = weights_file(path)
    target = load_checkpoint(path)
    with tempfile.TemporaryDirectory() as folder:
        if len(halves(path)) > 1:
            path = copy_checkpoint(path, Path(folder) / "both")
        return CheckpointInfo(
            architecture=target.architecture,
            paradigm=target.paradigm,
            config=target.config,
            parameters=sum(parameter.numel() for parameter in target.generator.parameters()),
            bytes=path.stat().st_size,
            sha256=sha256(path),
        )


def copy_checkpoint(source: Path, path: Path) -> Path:
    """Copy the unchanged file to ``path``; an autoencoder in two files becomes one safetensors file.

    The same two files always give the same bytes.

    Raises:
        BadCheckpoint: the file is missing or cannot be read.
    """
    source = weights_file(source)
    if len(halves(source)) == 1:
        shutil.copyfile(source, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in read_file(source).state.items()}, path)
    return path


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole_state(target: Target) -> dict[str, Tensor]:
    """The generator's tensors under their official names, and those of the companions."""
    companions = nn.ModuleDict(dict(target.companions))
    return {**target.generator.state_dict(), **companions.state_dict(prefix=COMPANION)}


def _differences(cls: type[Target], config: Mapping[str, Any], given: Layout) -> Iterator[str]:
    """How a layout differs from the one ``config`` asks for. The network takes no memory for this."""
    with torch.device("meta"):
        expected = Layout.of(_whole_state(cls.from_config(config))).shapes
    for name, shape in expected.items():
        # PyTorch before 0.4.1 did not count batches; nothing reads the counters
        if name not in given.shapes and not name.endswith(".num_batches_tracked"):
            yield f"{name} is missing"
        elif given.shapes.get(name, shape) != shape:
            yield f"{name} is {list(given.shapes[name])} instead of {list(shape)}"
    for name in given.shapes:
        if name not in expected:
            yield f"{name} is not part of it"


def _summary(differences: list[str]) -> str:
    more = len(differences) - 3
    return ", ".join(differences[:3]) + (f" and {more} more" if more > 0 else "")


def _check_hyper(config: Mapping[str, Any]) -> None:
    """Refuse sizes that would take long to build, before the layout is compared."""
    for name, value in config.items():
        if name == "edits":
            _check_edits(value)
            continue
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if not isinstance(number, int) or not 0 <= number <= MAX_HYPER:
                raise ValueError(f"{name} must be a whole number up to {MAX_HYPER}, or a list of such")


def _check_edits(edits: Any) -> None:
    """Refuse edits that are too many or badly named: every face is scored with each, and every report names them."""
    if not isinstance(edits, (Mapping, list, tuple)):
        raise TypeError(f"edits must be named, not {type(edits).__name__}")
    if len(edits) > MAX_EDITS:
        raise ValueError(f"there are {len(edits)} edits, more than the limit of {MAX_EDITS}; name the ones you need")
    if any(not isinstance(edit, str) or not 0 < len(edit) <= MAX_EDIT_NAME for edit in edits):
        raise ValueError(f"every edit needs a name of at most {MAX_EDIT_NAME} characters")


def _stored_as(tensor: Tensor, stored: Tensor | None) -> Tensor:
    """``tensor`` in the precision of ``stored`` if that is lower, so that a copy is no larger than its file."""
    tensor = tensor.detach().cpu().contiguous()
    both_real = stored is not None and stored.is_floating_point() and tensor.is_floating_point()
    if stored is None or not both_real or stored.element_size() >= tensor.element_size():
        return tensor
    return tensor.to(stored.dtype)


def _halved(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor.float()
