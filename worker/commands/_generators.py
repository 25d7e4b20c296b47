"""The generators of this installation, as commands see them: in the store the service uses as well.

What an older version has left is brought up to date before anything else is done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.contracts.generator_limits import Allowance
from app.contracts.generator_options import GivenDetails, parsed_edits
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import (
    NAME,
    RULES,
    TWIN,
    Generator,
    GeneratorExists,
    NoRoom,
    NoSuchGenerator,
    NotChecked,
    NoTwin,
    Origin,
)
from app.contracts.settings import BadSettings, Settings
from perturbations.errors import BadCheckpoint, BadInput, MissingDetails, UnknownName
from perturbations.targets.registry import names
from worker.commands._common import remark
from worker.commands._installation import installation, usable_settings
from worker.generators import older, quarantine
from worker.generators.checking import Tried, tried

_OPTIONS: Final = {"image_size": "--image-size", "edits": "--edits"}


def installed() -> Generators | None:
    """The store as it is; ``None`` where nothing was ever installed, and nothing is written for that.

    Raises:
        BadInput: the settings are unusable.
    """
    settings = usable_settings()
    there = settings.storage_url is not None or settings.storage_dir.exists() or settings.targets_dir.exists()
    return opened() if there else None


def opened() -> Generators:
    """The store, to write to.

    Raises:
        BadInput: the settings are unusable.
    """
    here = installation()
    try:
        generators = here.generators
    except BadSettings as error:
        raise BadInput(str(error)) from error
    _bring_up_to_date(generators, here.settings)
    return generators


def records() -> list[Generator]:
    """Everything in the store, by name, a twin after its generator."""
    generators = installed()
    return [] if generators is None else generators.all()


def document(record: Generator) -> dict[str, Any]:
    """A record as commands print it."""
    return {**record.model_dump(mode="json"), "added": record.created_at.isoformat(timespec="seconds")}


def given_details(architecture: str | None, image_size: int | None, edits: str | None) -> GivenDetails:
    """What the options say about a checkpoint.

    Raises:
        BadInput: one of them is unusable.
    """
    try:
        found = None if edits is None else parsed_edits([edits])
        return GivenDetails(architecture=architecture, image_size=image_size, edits=found)
    except ValidationError as error:
        raise BadInput(f"an option is unusable: {error}") from error
    except ValueError as error:
        raise BadInput(f"--edits cannot be used: {error}") from error


def tried_here(checkpoint: Path, folder: Path, *, details: GivenDetails, may_assume: bool = False) -> Tried:
    """What a checkpoint is and takes, tried in a process of its own. folder: where a copy lies for a moment.

    Raises:
        BadInput: it is no generator, takes more than it may, leaves something open, or the settings are unusable.
    """
    allowance = Allowance.of(usable_settings())
    try:
        return tried(checkpoint, folder / "weights", allowance=allowance, details=details, may_assume=may_assume)
    except MissingDetails as error:
        options = " and ".join(_OPTIONS[field] for field in error.fields)
        raise BadInput(f"{error} (Here that is {options}.)") from error


def check_free(generators: Generators, name: str, *, twin: bool = False) -> None:
    """Make sure that something can be added under ``name``.

    Raises:
        BadInput: the name is unusable or taken; there is nothing it could be a twin of; or there are enough.
    """
    if not NAME.fullmatch(name):
        raise BadCheckpoint(f"a target cannot be called {name!r}: use small letters, digits and underscores")
    if name in names():
        raise BadCheckpoint(f"{name} is an architecture; register the checkpoint under a name of its own")
    if generators.get(name + (TWIN if twin else "")) is not None:
        called = f"a twin of {name}" if twin else name
        raise BadCheckpoint(f"{called} is registered already; remove it first (poise targets remove {name})")
    if twin and generators.get(name) is None:
        raise unknown(name, generators)
    if not twin:
        with refusals(name, generators):
            generators.check_number()


def register(
    generators: Generators,
    name: str,
    checkpoint: Path,
    *,
    details: GivenDetails,
    twin: bool,
    licence: str,
    origin: Origin,
) -> Generator:
    """Try a checkpoint, and keep it in the store.

    Raises:
        BadInput: it cannot be used, or there is no room for it.
    """
    check_free(generators, name, twin=twin)
    with tempfile.TemporaryDirectory() as folder:
        found = tried_here(checkpoint, Path(folder), details=details)
        try:
            record = Generator(
                name=name,
                created_at=datetime.now(UTC),
                bytes=found.info.bytes,
                sha256=found.info.sha256,
                twin=twin,
                licence=licence,
                origin=origin,
                told=details,
                rules=RULES,
            )
        except ValidationError as error:
            raise BadInput(f"an option is unusable: {error}") from error
        quarantine.enable(record, found)
        with refusals(name, generators):
            return generators.keep(record, found.kept)


@contextmanager
def refusals(name: str, generators: Generators) -> Iterator[None]:
    """What the store refuses, as bad input."""
    try:
        yield
    except NoSuchGenerator:
        raise unknown(name, generators) from None
    except GeneratorExists:
        raise BadInput(f"{name} is registered already; remove it first (poise targets remove {name})") from None
    except NotChecked:
        raise BadInput(f"{name} has not been checked yet, or was refused; `poise targets list` says which") from None
    except (NoRoom, NoTwin) as error:
        raise BadInput(str(error)) from None


def unknown(name: str, generators: Generators) -> UnknownName:
    """The error of a name that no generator has."""
    return UnknownName("registered target", name, [record.key for record in generators.all()])


def _bring_up_to_date(generators: Generators, settings: Settings) -> None:
    """Move what older versions registered in a folder into the store, and check what only they have looked at."""
    for reason in older.move(settings.targets_dir, generators):
        remark(reason)
    waiting = []
    for record in generators.all():
        if record.outdated:
            generators.check_again(record.key)
        if record.outdated or (record.status == "checking" and record.rules < RULES):
            waiting.append(record.key)
    for key in waiting:
        quarantine.check(generators, key, scratch=None)
        now = generators.get(key)
        if now is not None and now.error is not None:
            remark(f"{key} is {now.status}: {now.error.detail}")
