"""Options that name targets and devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from app.contracts.generator_limits import Allowance
from app.contracts.records.architectures import NoSuchArchitecture
from app.contracts.settings import BadSettings
from perturbations.checkpoints.active import active_hashes, active_targets
from perturbations.checkpoints.registered import Library
from perturbations.errors import BadInput
from perturbations.precision import fastest_device
from perturbations.targets.interface import Target
from worker.commands._installation import installation, usable_settings
from worker.generators.checking import Tried, tried
from worker.generators.uploads import load_upload


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


def target_library() -> Library:
    """The targets registered in this data folder.

    Raises:
        BadInput: the settings are unusable.
    """
    return Library(usable_settings().targets_dir)


def check_room(name: str, library: Library) -> None:
    """Make sure that another target may be registered.

    Raises:
        BadInput: there are enough, or the settings are unusable.
    """
    most, known = usable_settings().max_generators, library.names()
    if name not in known and len(known) >= most:
        raise BadInput(f"{len(known)} targets are registered, the limit (POISE_MAX_GENERATORS); remove one first")


def tried_here(
    checkpoint: Path, folder: Path, *, architecture: str | None = None, config: Mapping[str, Any] | None = None
) -> Tried:
    """What a checkpoint is and takes, tried in a process of its own. folder: where a copy lies for a moment.

    Raises:
        BadInput: it is not a generator, takes more than it may, or the settings are unusable.
    """
    allowance = Allowance.of(usable_settings())
    return tried(checkpoint, folder / "weights", allowance=allowance, architecture=architecture, config=config)


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


def keeping_score(*, device: torch.device) -> tuple[list[Target], list[Target]]:
    """The targets and twins that a report of this installation speaks of: all there are, and the enabled uploads.

    Raises:
        BadInput: the settings are unusable.
        BadCheckpoint: a file is damaged.
    """
    targets, twins, _ = chosen("", device=device)
    return [*targets, *_uploaded(device)], twins


def _uploaded(device: torch.device) -> Iterator[Target]:
    here = installation()
    if here.settings.storage_url is None and not here.settings.storage_dir.exists():  # no service has ever run here
        return
    try:
        uploads = here.architectures
    except BadSettings as error:
        raise BadInput(str(error)) from error
    for record in uploads.enabled():
        try:
            yield load_upload(uploads, record, device=device, scratch=None)
        except NoSuchArchitecture:  # deleted at this moment
            continue
