"""The generators of this installation, for commands. They are in the same store that the service uses.

Data of older versions is brought up to date before anything else.
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
from app.contracts.names import GENERATOR_NAME
from app.contracts.records.generator_store import Generators
from app.contracts.records.generators import (
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
    """The existing store; ``None`` if nothing was ever installed. Creates nothing.

    Raises:
        BadInput: the settings are unusable.
    """
    settings = usable_settings()
    there = settings.storage_url is not None or settings.storage_dir.exists() or settings.targets_dir.exists()
    return opened() if there else None


def opened() -> Generators:
    """The store, created if missing.

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
    """All records of the store, by name, each twin after its generator."""
    generators = installed()
    return [] if generators is None else generators.all()


def document(record: Generator) -> dict[str, Any]:
    """A record as commands print it."""
    return {**record.model_dump(mode="json"), "added": record.created_at.isoformat(timespec="seconds")}


def given_details(architecture: str | None, image_size: int | None, edits: str | None) -> GivenDetails:
    """The details of a checkpoint that the options give.

    Raises:
        BadInput: one of them is invalid.
    """
    try:
        found = None if edits is None else parsed_edits([edits])
        return GivenDetails(architecture=architecture, image_size=image_size, edits=found)
    except ValidationError as error:
        raise BadInput(f"an option is invalid: {error}") from error
    except ValueError as error:
        raise BadInput(f"--edits cannot be used: {error}") from error


def tried_here(checkpoint: Path, folder: Path, *, details: GivenDetails, may_assume: bool = False) -> Tried:
    """Check a checkpoint in a separate process. folder: holds a copy for a moment.

    Raises:
        BadInput: it is not a generator, exceeds the limits or lacks details, or the settings are unusable.
    """
    allowance = Allowance.of(usable_settings())
    try:
        return tried(checkpoint, folder / "weights", allowance=allowance, details=details, may_assume=may_assume)
    except MissingDetails as error:
        options = " and ".join(_OPTIONS[field] for field in error.fields)
        raise BadInput(f"{error} (On the command line: {options}.)") from error


def check_free(generators: Generators, name: str, *, twin: bool = False) -> None:
    """Make sure that something can be added under ``name``.

    Raises:
        BadInput: the name is unusable or taken, the twin's generator does not exist, or the store is full.
    """
    if not GENERATOR_NAME.fullmatch(name):
        raise BadCheckpoint(f"a target cannot be called {name!r}: use lower-case letters, digits and underscores")
    if name in names():
        raise BadCheckpoint(f"{name} is an architecture; register the checkpoint under another name")
    if generators.get(name + (TWIN if twin else "")) is not None:
        called = f"a twin of {name}" if twin else name
        raise BadCheckpoint(f"{called} is already registered; remove it first (poise targets remove {name})")
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
    """Check a checkpoint, and add it to the store.

    Raises:
        BadInput: it cannot be used, or the store is full.
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
            raise BadInput(f"an option is invalid: {error}") from error
        quarantine.enable(record, found)
        with refusals(name, generators):
            return generators.keep(record, found.kept)


@contextmanager
def refusals(name: str, generators: Generators) -> Iterator[None]:
    """Turn the refusals of the store into bad input."""
    try:
        yield
    except NoSuchGenerator:
        raise unknown(name, generators) from None
    except GeneratorExists:
        raise BadInput(f"{name} is already registered; remove it first (poise targets remove {name})") from None
    except NotChecked:
        raise BadInput(
            f"{name} has not been checked yet, or was refused; `poise targets list` shows its status"
        ) from None
    except (NoRoom, NoTwin) as error:
        raise BadInput(str(error)) from None


def unknown(name: str, generators: Generators) -> UnknownName:
    """The error for a name that no generator has."""
    return UnknownName("registered target", name, [record.key for record in generators.all()])


def _bring_up_to_date(generators: Generators, settings: Settings) -> None:
    """Move generators that older versions kept in a folder into the store, and check those only they have checked."""
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
