"""The routes of protections: upload, report, copy, erase."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.contracts.boxes import MAX_BOXES, MAX_TEXT, parse_boxes
from app.contracts.names import FORMAT_CHOICES, MEDIA_TYPES, STRENGTHS
from app.contracts.problems import Unprocessable
from app.contracts.records.jobs import Job, Options
from app.contracts.report import Report
from app.guards.admission import upload_memory_of
from app.guards.limits import limited
from app.guards.queries import only
from app.guards.uploads import read_upload
from app.idempotency import parse_key
from app.photos.inspection import KINDS
from app.problems import documented
from app.routes.dependencies import AnyService, ResultId
from app.routes.events import AnyChanges, settled
from app.service import Service, as_report

router = APIRouter(prefix="/v1/protections", tags=["protections"])

_MAX_WAIT_SECONDS: Final = 30
NO_STORE: Final = {"Cache-Control": "no-store"}

_OPTIONS: Final[dict[str, Any]] = {
    "format": {
        "type": "string",
        "enum": [*FORMAT_CHOICES, ""],
        "default": "keep",
        "description": "Format of the protected copy. For this and the other "
        "options, an empty value counts as left out.",
    },
    "scores": {
        "type": "boolean",
        "default": True,
        "description": "Whether the generators are run on the copy.",
    },
    "previews": {
        "type": "boolean",
        "default": True,
        "description": "Whether pictures of what the generators make are kept. There are none without scores.",
    },
    "perturbation": {"type": "string", "maxLength": 200, "description": "A version. The active one if left out."},
    "strength": {
        "type": "string",
        "enum": [*STRENGTHS, ""],
        "default": "standard",
        "description": "How strongly the photo is changed: `subtle` is seen less, `strong` protects more.",
    },
}
_OF_ONE: Final[dict[str, Any]] = {
    "faces": {
        "type": "string",
        "contentMediaType": "application/json",
        "maxLength": MAX_TEXT,
        "description": f"Where the faces are: at most {MAX_BOXES} boxes `[[x, y, width, height], …]` as JSON, in whole "
        "pixels of the upright photo. They are taken as they are, and no others are looked for. `[]` means that "
        "there are none.",
    },
}
"""Options of a single photo."""
_PREFER: Final[dict[str, Any]] = {
    "name": "prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N`: answer as soon as the copy exists, or after N seconds, at most 30.",
}
"""Read from all lines of the header. A function parameter cannot express that and be a plain string in OpenAPI."""
_PREFERENCE: Final = re.compile(r'(?:"(?:\\.|[^"\\])*"?|[^,"])+')
"""Parts between commas outside quotes; takes a single pass over any input."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Any string of your own, ideally a fresh UUID. A request "
        "repeated with the same key has no further effect."
    ),
]


def form(field: str, schema: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The OpenAPI description of a form with photos in ``field``, and ``more`` options than any form has."""
    fields = {
        "type": "object",
        "required": [field],
        "additionalProperties": False,
        "properties": {field: schema, **_OPTIONS, **(more or {})},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": fields}}}}


def options_in_form(field: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses options in the query. field: that of the photo."""
    return only(advice=f"Options belong in the form, in fields beside `{field}`.")


@router.post(
    "",
    status_code=202,
    response_model=Report,
    responses={
        201: {"model": Report, "description": "The protected copy exists."},
        202: {"description": "The photo is accepted. There is no copy yet, or there never will be: see `status`."},
        **documented(400, 408, 409, 413, 415, 422, 429, 503),
    },
    dependencies=[Depends(limited("uploads")), Depends(options_in_form("image"))],
    openapi_extra={
        "parameters": [_PREFER],
        **form("image", {"type": "string", "format": "binary", "description": f"One {KINDS} photo."}, _OF_ONE),
    },
)
async def create(
    request: Request,
    response: Response,
    service: AnyService,
    changes: AnyChanges,
    idempotency_key: IdempotencyKey = None,
) -> Report:
    """Protect a photo."""
    result_id, job = await _accepted(request, service, key=parse_key(idempotency_key))
    report = as_report(result_id, job)
    wait = wait_seconds(request.headers.getlist("prefer"))
    if wait:
        report = await settled(service, changes, result_id, job, seconds=wait)
        response.headers["Preference-Applied"] = f"wait={wait}"
    if report.links.image is not None:
        response.status_code = 201
    response.headers.update({"Location": report.links.self, **NO_STORE})
    return report


@router.get("/{id}", responses=documented(404, 429, 503), dependencies=[Depends(limited("reads"))])
def read(result_id: ResultId, service: AnyService, response: Response) -> Report:
    """The report: progress and result of a protection."""
    response.headers.update(NO_STORE)
    return service.report(result_id)


@router.get(
    "/{id}/image",
    response_class=Response,
    responses={
        200: {
            "description": "The protected copy.",
            "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in MEDIA_TYPES.values()},
        },
        **documented(404, 409, 429, 500, 503),
    },
    dependencies=[Depends(limited("reads"))],
)
def image(result_id: ResultId, service: AnyService) -> Response:
    """The protected copy."""
    data, media_type = service.image(result_id)
    name = f"protected.{media_type.removeprefix('image/')}"
    disposition = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(data, media_type=media_type, headers={**disposition, **NO_STORE})


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    responses=documented(404, 429, 503),
    dependencies=[Depends(limited("reads"))],
)
def erase(result_id: ResultId, service: AnyService) -> None:
    """Erase the photo, the copy, the previews and the report at once."""
    service.erase(result_id)


def parse_options(fields: dict[str, str]) -> Options:
    """The options of a form, from their text.

    Raises:
        Unprocessable: one of them is not valid.
    """
    faces = parse_boxes(fields["faces"]) if "faces" in fields else None
    try:
        return Options.model_validate({**fields, "faces": faces})
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        flag = "true, false"
        known = {
            "format": ", ".join(FORMAT_CHOICES),
            "strength": ", ".join(STRENGTHS),
            "scores": flag,
            "previews": flag,
        }.get(str(name), "text")
        raise Unprocessable(f"The field `{name}` is not valid. Allowed: {known}.") from None


async def _accepted(request: Request, service: Service, *, key: str | None) -> tuple[str, Job]:
    """Accept the photo. When this returns, it is in the storage and no longer in memory."""
    with upload_memory_of(request).share() as share:
        upload = await read_upload(request, share, max_bytes=service.settings.max_upload_bytes)
        options = parse_options(upload.options)
        return await run_in_threadpool(service.accept, upload.image, options, key=key)


def wait_seconds(lines: list[str]) -> int:
    """The seconds of ``Prefer: wait=N`` (RFC 7240, sections 2 and 4.3), capped; 0 if it is not asked for."""
    for preference in _PREFERENCE.findall(", ".join(lines)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":  # of several, the first counts
            seconds = value.strip().removeprefix('"').removesuffix('"')
            return min(int(seconds), _MAX_WAIT_SECONDS) if re.fullmatch("[0-9]{1,9}", seconds) else 0
    return 0
