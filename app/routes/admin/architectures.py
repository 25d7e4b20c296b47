"""The routes of added generators: upload a checkpoint; enable, disable or delete a generator."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.administration import Administration, AnyAdministration
from app.contracts.generator_options import MAX_LICENCE, GivenDetails, parsed_edits
from app.contracts.logs import event
from app.contracts.names import CHECK_ARCHITECTURE, GENERATOR_NAME
from app.contracts.problems import Conflict, NotFound, Unprocessable
from app.contracts.records import catalogue
from app.contracts.records import generators as contract
from app.contracts.records.generators import Generator
from app.guards.forms import drain, is_form
from app.guards.queries import in_the_document, only
from app.problems import documented
from app.routes.admin.bodies import NAME, Received, file_body, read_json, received, validated

router = APIRouter(prefix="/architectures")
_log = logging.getLogger(__name__)

ArchitectureName = Annotated[
    str, Path(alias="name", description="The name it was added under; for a twin, `NAME-twin`.")
]


class ArchitectureList(BaseModel):
    """All generators."""

    shipped: tuple[str, ...] = Field(description="The generators Poise ships; they cannot be changed.")
    architectures: list[Generator]


class Change(BaseModel):
    """What can be changed."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


_NONE: Final = "There is no such architecture; /v1/admin/architectures lists them all."
_SHIPS: Final = "This generator ships with Poise: it has no record here and can be neither disabled nor deleted."
_CHANGE: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": Change.model_json_schema()}}}
}


@router.get("")
def list_all(administration: AnyAdministration) -> ArchitectureList:
    """List all generators, including those that are refused or disabled."""
    return ArchitectureList(shipped=administration.catalogue().targets, architectures=administration.generators.all())


class Options(BaseModel):
    """The details of a checkpoint, from the query or the fields of a form."""

    name: str | None = Field(None, description="Lower-case letters, digits and underscores.")
    image_size: int | None = Field(
        None, ge=8, le=4096, description="The width and height of the images it works on, in pixels."
    )
    edits: list[str] = Field(
        [],
        description="The names of its edits in the order of its labels, separated by commas or given one at a time; or "
        "a JSON object, as in the architecture's configuration; or `official` for the published checkpoint.",
    )
    twin: bool = Field(
        False, description="Whether it is the twin of the generator `name`. No perturbation is trained on a twin."
    )
    licence: str = Field("", max_length=MAX_LICENCE, description="What its owner allows. Stored with it.")
    architecture: str | None = Field(None, max_length=64, description="Refuse any other architecture.")

    def beside(self, form: Mapping[str, list[str]]) -> Options:
        """These, and the fields of a form. Empty fields count as left out, because browsers send every field.

        Raises:
            Unprocessable: a field is invalid.
        """
        given = {name: [text for text in texts if text] for name, texts in form.items()}
        fields = {name: texts if name == "edits" else texts[-1] for name, texts in given.items() if texts}
        return validated(Options, {**self.model_dump(exclude_unset=True), **fields})

    def details(self) -> GivenDetails:
        """The details for the check.

        Raises:
            Unprocessable: the edits cannot be read.
        """
        try:
            edits = parsed_edits(self.edits)
        except ValueError as error:
            raise Unprocessable(f"`edits` cannot be used: {error}.") from None
        return GivenDetails(architecture=self.architecture, image_size=self.image_size, edits=edits)


_FIELDS: Final = tuple(name for name in Options.model_fields if name != NAME)


@router.post(
    "",
    status_code=202,
    responses=documented(400, 408, 409, 413, 415, 422),
    dependencies=[Depends(only(Options.model_fields, advice=f"Known are {', '.join(Options.model_fields)}."))],
    openapi_extra=file_body("application/octet-stream", _FIELDS),
)
async def upload(
    request: Request, response: Response, administration: AnyAdministration, options: Annotated[Options, Query()]
) -> Generator:
    """Upload a checkpoint: safetensors, or an official layout. A worker checks it before it is used.

    Details that the file does not contain must be sent along. Otherwise it is `refused`, and `error` says what to send.
    """
    options.details()  # before anything is received
    limit = administration.settings.max_checkpoint_bytes
    try:
        if not (options.twin or is_form(request)):  # a form says only in its fields whether it is for a twin
            await run_in_threadpool(administration.generators.check_number)
    except contract.NoRoom as error:
        await drain(request, limit)
        raise Conflict(str(error)) from None
    async with received(request, administration.incoming, max_bytes=limit, name=options.name, also=_FIELDS) as file:
        record = await run_in_threadpool(_quarantine, administration, file, options.beside(file.fields))
    response.headers["Location"] = f"/v1/admin/architectures/{record.key}"
    return record


@router.get("/{name}", responses=documented(404))
def read(name: ArchitectureName, administration: AnyAdministration) -> Generator:
    """Show the record of an added generator."""
    record = administration.generators.get(name)
    if record is None:
        raise NotFound(_SHIPS if _ships(administration, name) else _NONE)
    return record


@router.patch(
    "/{name}",
    responses=documented(400, 404, 408, 409, 413, 415, 422),
    openapi_extra=_CHANGE,
    dependencies=[Depends(in_the_document())],
)
async def change(name: ArchitectureName, request: Request, administration: AnyAdministration) -> Generator:
    """Enable or disable a generator."""
    wanted = await read_json(request, Change)
    record = await run_in_threadpool(enable, administration, name, enabled=wanted.enabled)
    event(_log, "architecture.changed", status=record.status)
    return record


@router.delete("/{name}", status_code=204, response_class=Response, responses=documented(404, 409))
def delete(name: ArchitectureName, administration: AnyAdministration) -> None:
    """Delete a generator that no open training needs, and its twin."""
    _check_dispensable(administration, name)
    try:
        administration.generators.delete(name)
    except contract.NoSuchGenerator:
        raise NotFound(_NONE) from None
    event(_log, "architecture.deleted")


def enable(administration: Administration, name: str, *, enabled: bool) -> Generator:
    """Enable a generator, or disable it if no open training needs it.

    Raises:
        Conflict: it is needed, ships, is not checked, or would exceed the limits.
        NotFound: no generator has that name.
    """
    if not enabled:
        _check_dispensable(administration, name)
    try:
        return administration.generators.enable(name, enabled=enabled)
    except contract.NoSuchGenerator:
        if _ships(administration, name):
            raise Conflict(_SHIPS) from None
        raise NotFound(_NONE) from None
    except contract.NotChecked:
        raise Conflict(
            "The checkpoint has not been checked yet, or was refused; its record shows the status."
        ) from None
    except contract.NoRoom as error:
        raise Conflict(str(error)) from None


def _check_dispensable(administration: Administration, name: str) -> None:
    """Make sure that no open training needs a generator, and that it does not ship.

    Raises:
        Conflict: one does, or it ships.
    """
    if _ships(administration, name):
        raise Conflict(_SHIPS)
    if any(not t.ended and name in (t.request.targets or ()) for t in administration.trainings.all()):
        raise Conflict("A training that has not ended needs this generator; cancel it first.")


def _ships(administration: Administration, name: str) -> bool:
    """Whether a generator ships."""
    known = catalogue.published(administration.redis)
    return known is not None and name in known.targets


def _quarantine(administration: Administration, file: Received, options: Options) -> Generator:
    if file.name is None or not GENERATOR_NAME.fullmatch(file.name):
        raise Unprocessable("An architecture needs a `name` of at most 40 lower-case letters, digits and underscores.")
    offered = administration.catalogue()
    if file.name in (*offered.targets, *offered.architectures):
        raise Conflict("The name is taken; choose another one.")
    try:
        record = administration.generators.add(
            file.path,
            name=file.name,
            sha256=file.sha256,
            details=options.details(),
            twin=options.twin,
            licence=options.licence,
        )
    except contract.GeneratorExists:
        raise Conflict("The name is taken; choose another one.") from None
    except (contract.NoRoom, contract.NoTwin) as error:
        raise Conflict(str(error)) from None
    try:
        administration.queue.send(CHECK_ARCHITECTURE, record.key)
    except OSError:
        # the record is stored, and the sweeper has it checked once the queue is back
        event(_log, "architecture.not_sent", level=logging.WARNING)
    event(_log, "architecture.uploaded", bytes=record.bytes)
    return record
