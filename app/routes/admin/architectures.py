"""The routes of architectures: upload a generator's checkpoint, enable, disable, delete."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.administration import Administration, AnyAdministration
from app.contracts.logs import event
from app.contracts.names import CHECK_ARCHITECTURE
from app.contracts.problems import Conflict, NotFound, Unprocessable
from app.contracts.records import architectures as contract
from app.contracts.records import catalogue
from app.contracts.records.architectures import Architecture
from app.guards.forms import drain
from app.problems import documented
from app.routes.admin.bodies import Received, file_body, read_json, received

router = APIRouter(prefix="/architectures")
_log = logging.getLogger(__name__)

ArchitectureName = Annotated[str, Path(alias="name", description="The name it was uploaded under.")]


class ArchitectureList(BaseModel):
    """Every generator."""

    shipped: tuple[str, ...] = Field(description="Those Poise ships; they cannot be changed.")
    architectures: list[Architecture]


class Change(BaseModel):
    """What can be changed."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


_NONE: Final = "There is no such architecture; /v1/admin/architectures lists those there are."
_NOT_UPLOADED: Final = (
    "This generator was not uploaded, but ships with Poise or is registered with its workers: it has no record here, "
    "and can neither be switched off nor deleted."
)
_CHANGE: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": Change.model_json_schema()}}}
}


@router.get("")
def list_all(administration: AnyAdministration) -> ArchitectureList:
    """The generators that are trained against and keep score, and those that were refused or switched off."""
    return ArchitectureList(
        shipped=administration.catalogue().targets, architectures=administration.architectures.all()
    )


@router.post(
    "",
    status_code=202,
    responses=documented(400, 408, 409, 413, 422),
    openapi_extra=file_body("application/octet-stream"),
)
async def upload(
    request: Request,
    response: Response,
    administration: AnyAdministration,
    name: Annotated[str | None, Query(description="Small letters, digits and underscores.")] = None,
) -> Architecture:
    """Upload a checkpoint: safetensors, or an official layout. A worker checks it before it is used."""
    limit = administration.settings.max_checkpoint_bytes
    try:
        await run_in_threadpool(administration.architectures.check_number)
    except contract.NoRoom as error:
        await drain(request, limit)
        raise Conflict(str(error)) from None
    async with received(request, administration.incoming, max_bytes=limit, name=name) as file:
        record = await run_in_threadpool(_quarantine, administration, file)
    response.headers["Location"] = f"/v1/admin/architectures/{record.name}"
    return record


@router.get("/{name}", responses=documented(404))
def read(name: ArchitectureName, administration: AnyAdministration) -> Architecture:
    """What is known about an uploaded generator."""
    record = administration.architectures.get(name)
    if record is None:
        raise NotFound(_NOT_UPLOADED if _is_offered(administration, name) else _NONE)
    return record


@router.patch("/{name}", responses=documented(400, 404, 408, 409, 413, 415, 422), openapi_extra=_CHANGE)
async def change(name: ArchitectureName, request: Request, administration: AnyAdministration) -> Architecture:
    """Use a generator, or stop using it."""
    wanted = await read_json(request, Change)
    record = await run_in_threadpool(enable, administration, name, enabled=wanted.enabled)
    event(_log, "architecture.changed", status=record.status)
    return record


@router.delete("/{name}", status_code=204, response_class=Response, responses=documented(404, 409))
def delete(name: ArchitectureName, administration: AnyAdministration) -> None:
    """Delete an uploaded generator that no open training needs."""
    _check_dispensable(administration, name)
    try:
        administration.architectures.delete(name)
    except contract.NoSuchArchitecture:
        raise NotFound(_NONE) from None
    event(_log, "architecture.deleted")


def enable(administration: Administration, name: str, *, enabled: bool) -> Architecture:
    """Use an uploaded generator, or stop using it where no open training needs it.

    Raises:
        Conflict: it is needed, was not uploaded, is not checked, or there is no room for it.
        NotFound: there is none of that name.
    """
    if not enabled:
        _check_dispensable(administration, name)
    try:
        return administration.architectures.enable(name, enabled=enabled)
    except contract.NoSuchArchitecture:
        if _is_offered(administration, name):
            raise Conflict(_NOT_UPLOADED) from None
        raise NotFound(_NONE) from None
    except contract.NotChecked:
        raise Conflict("The checkpoint has not been checked yet, or was refused; its record says which.") from None
    except contract.NoRoom as error:
        raise Conflict(str(error)) from None


def _check_dispensable(administration: Administration, name: str) -> None:
    """Make sure that no open training needs a generator, and that it was uploaded, if it is there at all.

    Raises:
        Conflict: one does, or it was not.
    """
    if _is_offered(administration, name):
        raise Conflict(_NOT_UPLOADED)
    if any(not t.ended and name in (t.request.targets or ()) for t in administration.trainings.all()):
        raise Conflict("A training that has not ended needs this generator; cancel it first.")


def _is_offered(administration: Administration, name: str) -> bool:
    """Whether a generator ships or is registered with the workers."""
    known = catalogue.published(administration.redis)
    return known is not None and name in known.targets


def _quarantine(administration: Administration, file: Received) -> Architecture:
    if file.name is None or not contract.NAME.fullmatch(file.name):
        raise Unprocessable("An architecture needs a `name` of small letters, digits and underscores, at most 40.")
    if file.name in administration.catalogue().targets:
        raise Conflict("The name is taken; choose another one.")
    try:
        record = administration.architectures.add(file.path, name=file.name, sha256=file.sha256)
    except contract.ArchitectureExists:
        raise Conflict("The name is taken; choose another one.") from None
    except contract.NoRoom as error:
        raise Conflict(str(error)) from None
    try:
        administration.queue.send(CHECK_ARCHITECTURE, record.name)
    except OSError:
        # the record stands, and the sweeper has it checked once the queue is there again
        event(_log, "architecture.not_sent", level=logging.WARNING)
    event(_log, "architecture.uploaded", bytes=record.bytes)
    return record
