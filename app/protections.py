"""The routes of protections: parse, call, return."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.contracts.jobs import Options
from app.contracts.names import FORMAT_CHOICES, MEDIA_TYPES
from app.contracts.problems import Unprocessable
from app.contracts.report import Report
from app.dependencies import AnyService, ResultId
from app.events import AnyChanges, settled
from app.idempotency import parse_key
from app.limits import limited
from app.problems import documented
from app.service import as_report
from app.uploads import read_upload

router = APIRouter(prefix="/v1/protections", tags=["protections"])

_MAX_WAIT_SECONDS: Final = 30
NO_STORE: Final = {"Cache-Control": "no-store"}

_OPTIONS: Final[dict[str, Any]] = {
    "format": {
        "type": "string",
        "enum": list(FORMAT_CHOICES),
        "default": "keep",
        "description": "What the protected copy is written as.",
    },
    "scores": {
        "type": "boolean",
        "default": True,
        "description": "Whether the copy is tried against the generators.",
    },
    "previews": {
        "type": "boolean",
        "default": True,
        "description": "Whether pictures of what the generators made are kept; none without scores.",
    },
    "perturbation": {"type": "string", "maxLength": 200, "description": "A version; the active one if left out."},
}
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Any string of your own, best a fresh UUID: sent again with the same key, a request does nothing."
    ),
]


def form(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of a form with photos in ``field``."""
    fields = {
        "type": "object",
        "required": [field],
        "additionalProperties": False,
        "properties": {field: schema, **_OPTIONS},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": fields}}}}


@router.post(
    "",
    status_code=202,
    response_model=Report,
    responses={
        201: {"model": Report, "description": "The protected copy exists."},
        202: {"description": "The photo is accepted."},
        **documented(400, 408, 409, 413, 415, 422, 429, 503),
    },
    dependencies=[Depends(limited("uploads"))],
    openapi_extra=form("image", {"type": "string", "format": "binary", "description": "One JPEG, PNG or WebP photo."}),
)
async def create(
    request: Request,
    response: Response,
    service: AnyService,
    changes: AnyChanges,
    *,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: answer when the copy exists, within N seconds.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Report:
    """Protect a photo."""
    key = parse_key(idempotency_key)
    upload = await read_upload(request, max_bytes=service.settings.max_upload_bytes)
    options = parse_options(upload.options)
    result_id, job = await run_in_threadpool(service.accept, upload.image, options, key=key)
    report = as_report(result_id, job)
    wait = _wait_seconds(prefer)
    if wait:
        report = await settled(service, changes, result_id, job, seconds=wait)
        response.headers["Preference-Applied"] = f"wait={wait}"
    if report.status not in ("queued", "running"):
        response.status_code = 201
    response.headers.update({"Location": report.links.self, **NO_STORE})
    return report


@router.get("/{id}", responses=documented(404, 429, 503), dependencies=[Depends(limited("reads"))])
def read(result_id: ResultId, service: AnyService, response: Response) -> Report:
    """How far a protection is, and what came out."""
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
    disposition = {"Content-Disposition": f'inline; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=media_type, headers={**disposition, **NO_STORE})


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    responses=documented(404, 429, 503),
    dependencies=[Depends(limited("reads"))],
)
def erase(result_id: ResultId, service: AnyService) -> None:
    """Erase the photo, the copy, the previews and the report, at once."""
    service.erase(result_id)


def parse_options(fields: dict[str, str]) -> Options:
    """The options of a form, from their text."""
    try:
        return Options.model_validate(fields)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        known = {"format": ", ".join(FORMAT_CHOICES), "scores": "true, false", "previews": "true, false"}.get(
            str(name), "text"
        )
        raise Unprocessable(f"The field `{name}` cannot be used; allowed: {known}.") from None


def _wait_seconds(prefer: str | None) -> int:
    """The seconds of ``Prefer: wait=N`` (RFC 7240, section 4.3), capped; 0 where it is not asked for."""
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,9})\b", prefer or "", re.IGNORECASE)
    return min(int(found[1]), _MAX_WAIT_SECONDS) if found else 0
