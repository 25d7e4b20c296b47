"""The only place that loads targets: the surrogates that ship, then whatever a library has registered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch

from perturbations.checkpoints.loading import load_checkpoint, sha256
from perturbations.checkpoints.registered import Library
from perturbations.checkpoints.shipped import left_out, shipped_names, surrogate_path
from perturbations.errors import MissingExtra, PoiseError, UnknownName
from perturbations.targets.interface import Target

_log = logging.getLogger(__name__)


def active_names(library: Library | None = None) -> tuple[str, ...]:
    """Names :func:`active_targets` knows, in the order reports use."""
    return (*shipped_names(), *(() if library is None else library.names()))


def active_targets(
    names: Sequence[str] | None = None,
    *,
    twins: bool = False,
    library: Library | None = None,
    device: torch.device | str = "cpu",
    on_error: Callable[[str, PoiseError], None] | None = None,
) -> list[Target]:
    """Frozen targets by name, in the order reports use.

    Args:
        names: which; all by default. Repetitions count once. What ships and cannot be built here is then left out, and
            the log says why.
        twins: their twins instead, of those that have one. A twin goes by its target's name.
        on_error: called with name and error of a registered target that cannot be loaded, which is then left out;
            without it the error is raised.

    Raises:
        UnknownName: one of the names is unknown.
        MissingExtra: one of them needs an optional dependency that is not installed.
        BadCheckpoint: a file is damaged or missing.
    """
    if names is None:
        for name, reason in left_out().items():
            _log.warning("target.left_out: %s %s", name, reason)
    shipped = shipped_names()
    targets = []
    for name in _wanted(names, library):
        if name in shipped:
            path = surrogate_path(name, twin=twins)
            if path.exists():
                targets.append(load_checkpoint(path).to(device))
        elif library is not None and (not twins or library.has_twin(name)):
            try:
                targets.append(library.load(name, twin=twins, device=device))
            except PoiseError as error:
                if on_error is None:
                    raise
                on_error(name, error)
    return targets


def active_hashes(names: Sequence[str] | None = None, *, library: Library | None = None) -> dict[str, str]:
    """SHA-256 of the checkpoints of targets, by name, for an artifact's sidecar.

    Raises:
        UnknownName: one of the names is unknown.
    """
    shipped = shipped_names()
    return {
        name: sha256(surrogate_path(name)) if library is None or name in shipped else library.record(name).sha256
        for name in _wanted(names, library)
    }


def _wanted(names: Sequence[str] | None, library: Library | None) -> list[str]:
    known = active_names(library)
    missing = left_out() if names else {}
    for name in names or ():
        if name in missing:
            raise MissingExtra(f"{name} {missing[name]}")
        if name not in known:
            raise UnknownName("target", name, known)
    return [name for name in known if names is None or name in names]
