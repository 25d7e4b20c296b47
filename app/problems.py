"""Sends every error as ``application/problem+json``: Poise's own, the framework's, and unexpected ones."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app.contracts.logs import event
from app.contracts.problems import (
    MEDIA_TYPE,
    BadRequest,
    Internal,
    MethodNotAllowed,
    NotFound,
    Problem,
    ProblemDocument,
    Unavailable,
    Unprocessable,
)
from app.guards.nosniff import NOSNIFF
from app.head_requests import has_head
from app.metrics import PROBLEMS

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_log = logging.getLogger(__name__)

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FRAMEWORK: Final[dict[int, Problem]] = {
    400: BadRequest("The request cannot be read. /openapi.json describes what is expected."),
    404: NotFound("There is nothing here. /openapi.json lists every path."),
    405: MethodNotAllowed("This path does not support this method. /openapi.json lists the methods it supports."),
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem responses, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def answer(problem: Problem) -> JSONResponse:
    """A problem as a response."""
    PROBLEMS.labels(problem.slug).inc()
    return JSONResponse(
        problem.document().model_dump(),
        problem.status,
        headers={**problem.headers, "Cache-Control": "no-store", **NOSNIFF},
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem."""
    app.add_exception_handler(Problem, _ours)
    app.add_exception_handler(HTTPException, _frameworks)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(RedisError, _unreachable)
    app.add_exception_handler(OSError, _unreachable)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    return answer(error if isinstance(error, Problem) else Internal("Try again later."))


async def _frameworks(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == MethodNotAllowed.status:
        # the framework names those of one route only, but each method of a path has a route of its own
        headers = {**headers, "Allow": ", ".join(_methods(request))}
    known = _FRAMEWORK.get(status)
    if known is not None:
        return answer(type(known)(known.detail, headers=headers))
    document = ProblemDocument(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=HTTPStatus(status).description
    )
    return JSONResponse(document.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def _methods(request: Request) -> list[str]:
    """The methods that the path of ``request`` allows."""

    def known(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    heads = ["HEAD"] if has_head(request.scope) and known("GET") else []
    return heads + [method for method in _METHODS if known(method)]


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    # the place and the reason, never the value that was sent
    detail = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in wrong[:5])
    return answer(Unprocessable(detail or "The request cannot be used."))


async def _left(_: Request, __: Exception) -> JSONResponse:
    """Answer for a client that has left. Nobody reads it; it is counted, but not as a failure."""
    return answer(BadRequest("The request was cut off in transit."))


async def _unreachable(_: Request, error: Exception) -> JSONResponse:
    event(_log, "dependency.unreachable", level=logging.ERROR, error=type(error).__name__)
    return answer(Unavailable("A part of the service does not answer. Try again later."))


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    event(_log, "request.failed", level=logging.ERROR, error=type(error).__name__)
    return answer(Internal("The service failed unexpectedly. Try again later."))
