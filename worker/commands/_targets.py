"""Options that name targets and devices."""

from __future__ import annotations

import torch

from perturbations.errors import BadInput
from perturbations.precision import fastest_device
from perturbations.targets.interface import Target
from worker.commands._generators import installed
from worker.generators.loaded import LoadedGenerators
from worker.generators.surrogates import Surrogates


def pick_device(name: str) -> torch.device:
    """The named device, or CUDA if there is one, else the CPU.

    Raises:
        BadInput: there is no such device here.
    """
    if not name:
        return fastest_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r} cannot be used here; try cpu") from error
    return device


def chosen(names: str, *, device: torch.device) -> tuple[list[Target], list[Target], dict[str, str]]:
    """Targets, twins and checkpoint hashes of a comma-separated choice; of all if it is empty.

    Raises:
        UnknownName: one of them neither ships nor is in the store and enabled.
        MissingExtra: one of them needs an optional dependency that is not installed.
        BadInput: the settings are unusable.
        BadCheckpoint: a file is damaged.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()] or None
    return LoadedGenerators(installed(), Surrogates(device), scratch=None).chosen(wanted)
