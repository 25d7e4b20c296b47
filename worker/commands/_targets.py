"""Options that name targets and devices."""

from __future__ import annotations

import torch

from perturbations.errors import BadInput, UnknownName
from perturbations.targets.base import Target
from perturbations.targets.shipped import load_surrogates, shipped_names, surrogate_hashes


def pick_device(name: str) -> torch.device:
    """The named device, or CUDA where there is one, else the CPU.

    Raises:
        BadInput: there is no such device here.
    """
    if not name:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r} cannot be used here; try cpu") from error
    return device


def chosen(names: str, *, device: torch.device) -> tuple[list[Target], list[Target], dict[str, str]]:
    """Surrogates, twins and checkpoint hashes of a comma-separated choice; of all that ship where it is empty.

    Raises:
        UnknownName: one of them does not ship.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(shipped_names())
    for name in wanted:
        if name not in shipped_names():
            raise UnknownName("target", name, shipped_names())
    hashes = {name: digest for name, digest in surrogate_hashes().items() if name in wanted}

    def picked(*, twins: bool) -> list[Target]:
        return [t for t in load_surrogates(twins=twins, device=device) if t.name in wanted]

    return picked(twins=False), picked(twins=True), hashes
