"""The route of batches: several photos in one request, each accepted or refused on its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from redis import RedisError

from app.contracts.logs import event
from app.contracts.problems import Internal, Problem, Unavailable
from app.contracts.report import Batch, BatchItem
from app.guards.admission import upload_memory_of
from app.guards.limits import limited, limiter_of
from app.guards.uploads import read_batch, too_large
from app.idempotency import parse_key
from app.photos.inspection import KINDS
from app.problems import documented
from app.routes.dependencies import AnyService
from app.routes.protections import NO_STORE, IdempotencyKey, form, options_in_form, parse_options
from app.service import Service, as_report, queue_full

if TYPE_CHECKING:
    from app.contracts.records.jobs import Options

_log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/batches", tags=["protections"])


@router.post(
    "",
    status_code=202,
    response_model=Batch,
    responses={
        202: {
            "description": "One item per photo, in the order sent. It has `Retry-After` if the queue was full for "
            "some of them; if it was full for all, the answer is 429."
        },
        **documented(400, 408, 413, 415, 422, 429, 503),
    },
    dependencies=[Depends(limited("uploads")), Depends(options_in_form("images"))],
    openapi_extra=form(
        "images",
        {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "description": f"{KINDS} photos.",
        },
    ),
)
async def create(
    request: Request, response: Response, service: AnyService, idempotency_key: IdempotencyKey = None
) -> Batch:
    """Protect several photos with the same options. One bad photo does not affect the others."""
    key = parse_key(idempotency_key)
    settings = service.settings
    with upload_memory_of(request).share() as share:
        upload = await read_batch(
            request,
            share,
            max_bytes=settings.max_upload_bytes,
            max_total=settings.max_batch_bytes,
            max_photos=settings.max_batch,
        )
        options = parse_options(upload.options)
        if len(upload.images) > 1:  # the first is counted already
            limiter = limiter_of(request)
            cost = len(upload.images) - 1
            budget = await run_in_threadpool(limiter.hit, "uploads", limiter.client_of(request), cost=cost)
            if budget is not None:
                response.headers.update(budget.headers())
        items = [
            await run_in_threadpool(accept, service, image, options, key=None if key is None else f"{key} {position}")
            for position, image in enumerate(upload.images)
        ]
    full = queue_full()
    refused = [item.problem is not None and item.problem.type == full.document().type for item in items]
    if all(refused):
        raise full
    if any(refused):
        response.headers.update(full.headers)
    response.headers.update(NO_STORE)
    return Batch(items=tuple(items))


def accept(service: Service, image: bytes | None, options: Options, *, key: str | None) -> BatchItem:
    """Accept or refuse one photo. ``None`` stands for one that is too large."""
    if image is None:
        return _refused(too_large(service.settings.max_upload_bytes))
    try:
        result_id, job = service.accept(image, options, key=key)
    except (RedisError, OSError):
        return _refused(Unavailable("A part of the service does not answer. Send this photo again later."))
    except Problem as problem:
        return _refused(problem)
    except Exception as error:  # noqa: BLE001 - an answer about this photo only, or nobody would get the ids of the others
        event(_log, "batch.photo_failed", level=logging.ERROR, error=type(error).__name__)
        return _refused(Internal("The service failed on this photo. Export it again and send the new file."))
    return BatchItem(status=202, report=as_report(result_id, job))


def _refused(problem: Problem) -> BatchItem:
    return BatchItem(status=problem.status, problem=problem.document())
