"""The routes of perturbations: list, show, activate, roll back, delete."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from app.administration import AnyAdministration
from app.contracts.logs import event
from app.contracts.problems import Conflict, NotFound
from app.contracts.records.versions import Activation, NoSuchVersion, NothingBefore, Version, VersionInUse
from app.guards.queries import nowhere
from app.problems import documented

router = APIRouter(prefix="/perturbations")
_log = logging.getLogger(__name__)

VersionName = Annotated[str, Path(alias="version", description="The version's name.")]


class ListedVersion(Version):
    """A version, and whether new photos get it."""

    active: bool


class VersionList(BaseModel):
    """Every version, the newest first."""

    active: str | None
    perturbations: list[ListedVersion]
    history: list[Activation] = Field(description="Every activation with its time, the newest last.")


@router.get("")
def list_all(administration: AnyAdministration) -> VersionList:
    """List every version with its measured effect, and all activations."""
    log = administration.versions.log()
    active = log[-1].version if log else None
    return VersionList(
        active=active,
        perturbations=[_listed(version, active) for version in administration.versions.all()],
        history=log,
    )


@router.post("/rollback", responses=documented(409, 422), dependencies=[Depends(nowhere())])
def roll_back(administration: AnyAdministration) -> ListedVersion:
    """Activate the version that was active before this one."""
    try:
        version = administration.versions.roll_back()
    except NothingBefore:
        raise Conflict("No other version was active before this one. Activate one by name.") from None
    event(_log, "perturbation.rolled_back", version=version.version)
    return _listed(version, version.version)


@router.get("/{version}", responses=documented(404))
def read(name: VersionName, administration: AnyAdministration) -> ListedVersion:
    """Show how a version was trained, and its measured effect."""
    version = administration.versions.get(name)
    if version is None:
        raise _not_found()
    return _listed(version, administration.versions.active())


@router.post("/{version}/activate", responses=documented(404, 422), dependencies=[Depends(nowhere())])
def activate(name: VersionName, administration: AnyAdministration) -> ListedVersion:
    """Use this version for all photos from now on."""
    try:
        version = administration.versions.activate(name, reason="activated by an administrator")
    except NoSuchVersion:
        raise _not_found() from None
    event(_log, "perturbation.activated", version=version.version)
    return _listed(version, version.version)


@router.delete("/{version}", status_code=204, response_class=Response, responses=documented(404, 409))
def delete(name: VersionName, administration: AnyAdministration) -> None:
    """Delete a version that is neither active nor shipped."""
    try:
        administration.versions.delete(name)
    except NoSuchVersion:
        raise _not_found() from None
    except VersionInUse:
        raise Conflict("This version is active or ships with Poise. Activate another one first.") from None
    event(_log, "perturbation.deleted", version=name)


def _listed(version: Version, active: str | None) -> ListedVersion:
    return ListedVersion(**version.model_dump(), active=version.version == active)


def _not_found() -> NotFound:
    return NotFound("There is no such perturbation. /v1/admin/perturbations lists all of them.")
