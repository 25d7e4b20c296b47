"""The versions of an installation, for commands. They are in the same storage that the service uses."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.contracts.records.versions import NoSuchVersion, Versions
from app.contracts.settings import BadSettings, Settings, load_settings
from perturbations.errors import BadInput, UnknownName
from worker.process import offline

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation

# torch takes a second to import, so that is left to the functions


def installed() -> Versions:
    """The versions of this installation, the one that ships among them.

    Raises:
        BadInput: the settings cannot be used.
    """
    from worker.shipped import ship  # noqa: PLC0415 - see above

    versions = _stored(_settings())
    ship(versions)
    return versions


def found(name: str | None = None) -> Perturbation:
    """A version by its name or its folder; the active one if none is named. Writes nothing.

    Raises:
        UnknownName: there is none with that name.
        BadInput: the settings cannot be used.
        BadArtifact: it is damaged.
    """
    from perturbations.artifact import SIDECAR, active, load  # noqa: PLC0415 - see above

    if name and (Path(name) / SIDECAR).exists():
        return load(Path(name))
    settings = _settings()
    shipped = active()
    if settings.storage_url is None and not settings.storage_dir.exists():  # nothing was ever installed here
        if name and name != shipped.version:
            raise UnknownName("version", name, [shipped.version])
        return shipped
    versions = _stored(settings)
    wanted = name or versions.active() or shipped.version
    if wanted == shipped.version:
        return shipped
    with tempfile.TemporaryDirectory() as folder:
        try:
            versions.fetch(wanted, Path(folder))
        except NoSuchVersion:
            raise unknown(wanted, versions) from None
        return load(Path(folder))


def unknown(name: str, versions: Versions) -> UnknownName:
    """The error for a name that no version has."""
    return UnknownName("version", name, [version.version for version in versions.all()])


def _settings() -> Settings:
    try:
        return load_settings()
    except BadSettings as error:
        raise BadInput(str(error)) from error


def _stored(settings: Settings) -> Versions:
    try:
        return offline(settings).versions
    except BadSettings as error:
        raise BadInput(str(error)) from error
