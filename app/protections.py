"""The routes of protections: parse, call, return."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.contracts.jobs import Options
from app.contracts.names import FORMAT_CHOICES, MEDIA_TYPES
from app.contracts.problems import Unprocessable
from app.contracts.report import Report
from app.problems import documented
from app.service import Service, as_report
from app.uploads import read_upload

router = APIRouter(prefix="/v1/protections", tags=["protections"])

_MAX_WAIT_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.05
_NO_STORE: Final = {"Cache-Control": "no-store"}

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {
                            "type": "string",
                            "format": "binary",
                            "description": "One JPEG, PNG or WebP photo.",
                        },
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
                        "perturbation": {"type": "string", "description": "A version; the active one if left out."},
                    },
                }
            }
        },
    }
}


def service_of(request: Request) -> Service:
    """The service of this application."""
    found: Service = request.app.state.service
    return found


AnyService = Annotated[Service, Depends(service_of)]
ResultId = Annotated[str, Path(description="The id the upload was answered with.")]


@router.post(
    "",
    status_code=202,
    response_model=Report,
    responses={
        201: {"model": Report, "description": "The protected copy exists."},
        202: {"description": "The photo is accepted."},
        **documented(400, 413, 415, 422, 429, 503),
    },
    openapi_extra=_FORM,
)
async def create(
    request: Request,
    response: Response,
    service: AnyService,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: answer when the copy exists, within N seconds.")
    ] = None,
) -> Report:
    """Protect a photo."""
    upload = await read_upload(request, max_bytes=service.settings.max_upload_bytes)
    options = _options(upload.options)
    result_id, job = await run_in_threadpool(service.accept, upload.image, options)
    report = as_report(result_id, job)
    wait = _wait_seconds(prefer)
    if wait:
        report = await _settled(service, report, wait)
        response.headers["Preference-Applied"] = f"wait={wait}"
    if report.status not in ("queued", "running"):
        response.status_code = 201
    response.headers.update({"Location": report.links.self, **_NO_STORE})
    return report


@router.get("/{id}", responses=documented(404, 503))
def read(result_id: Annotated[ResultId, Path(alias="id")], service: AnyService, response: Response) -> Report:
    """How far a protection is, and what came out."""
    response.headers.update(_NO_STORE)
    return service.report(result_id)


@router.get(
    "/{id}/image",
    response_class=Response,
    responses={
        200: {
            "description": "The protected copy.",
            "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in MEDIA_TYPES.values()},
        },
        **documented(404, 409, 503),
    },
)
def image(result_id: Annotated[ResultId, Path(alias="id")], service: AnyService) -> Response:
    """The protected copy."""
    data, media_type = service.image(result_id)
    name = f"protected.{media_type.removeprefix('image/')}"
    disposition = {"Content-Disposition": f'inline; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=media_type, headers={**disposition, **_NO_STORE})


@router.delete("/{id}", status_code=204, response_class=Response, responses=documented(404, 503))
def erase(result_id: Annotated[ResultId, Path(alias="id")], service: AnyService) -> None:
    """Erase the photo, the copy and the report, at once."""
    service.erase(result_id)


def _options(fields: dict[str, str]) -> Options:
    """The options of a form, from their text."""
    try:
        return Options.model_validate(fields)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        known = {"format": ", ".join(FORMAT_CHOICES), "scores": "true, false"}.get(str(name), "text")
        raise Unprocessable(f"The field `{name}` cannot be used; allowed: {known}.") from None


def _wait_seconds(prefer: str | None) -> int:
    """The seconds of ``Prefer: wait=N`` (RFC 7240, section 4.3), capped; 0 where it is not asked for."""
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,9})\b", prefer or "", re.IGNORECASE)
    return min(int(found[1]), _MAX_WAIT_SECONDS) if found else 0


async def _settled(service: Service, report: Report, seconds: int) -> Report:
    """The report once the copy exists or the job has failed, or as it is after ``seconds``."""
    end = time.monotonic() + seconds
    while report.status in ("queued", "running") and time.monotonic() < end:
        await asyncio.sleep(_PAUSE_SECONDS)
        report = await run_in_threadpool(service.report, report.id)
    return report
