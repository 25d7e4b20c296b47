"""Options that name targets and devices."""

from __future__ import annotations

import torch
from pydantic import ValidationError

from app.contracts.settings import Settings
from perturbations.errors import BadInput
from perturbations.precision import fastest_device
from perturbations.targets.active import active_hashes, active_targets
from perturbations.targets.base import Target
from perturbations.targets.registered import Library


def pick_device(name: str) -> torch.device:
    """The named device, or CUDA where there is one, else the CPU.

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


def target_library() -> Library:
    """The targets registered in this data folder.

    Raises:
        BadInput: the settings are unusable.
    """
    try:
        return Library(Settings().targets_dir)
    except ValidationError as error:
        raise BadInput(f"a POISE_ setting is unusable: {error}") from error


def chosen(names: str, *, device: torch.device) -> tuple[list[Target], list[Target], dict[str, str]]:
    """Targets, twins and checkpoint hashes of a comma-separated choice; of all there are where it is empty.

    Raises:
        UnknownName: one of them neither ships nor is registered.
        MissingExtra: one of them needs an optional dependency that is not installed.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()] or None
    library = target_library()
    targets, twins = (active_targets(wanted, twins=which, library=library, device=device) for which in (False, True))
    return targets, twins, active_hashes(wanted, library=library)
