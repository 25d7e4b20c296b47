"""Admits requests with one of ``POISE_ADMIN_KEYS``. Keys are compared as hashes and never logged."""

from __future__ import annotations

import logging
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.administration import AnyAdministration
from app.contracts.admin_keys import is_known
from app.contracts.logs import event
from app.contracts.problems import Forbidden, Unauthorized
from app.guards.limits import limiter_of

_log = logging.getLogger(__name__)

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="poise administration"'}
_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="bearer", description="One of POISE_ADMIN_KEYS.")
_HEADER: Final = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="api-key", description="One of POISE_ADMIN_KEYS."
)


async def administrator(
    request: Request,
    administration: AnyAdministration,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> None:
    """Let only administrators pass.

    Raises:
        Forbidden: no key is configured.
        Unauthorized: the key is missing or wrong.
        RateLimited: this client has tried too many wrong keys.
    """
    if not administration.keys:
        raise Forbidden(
            "Administration is switched off. To switch it on, start Poise with a long random key in POISE_ADMIN_KEYS."
        )
    key = bearer.credentials if bearer is not None else header
    if not key:
        raise Unauthorized(
            "Send an administrator's key: `Authorization: Bearer <key>` or `X-API-Key`.", headers=_CHALLENGE
        )
    limiter = limiter_of(request)
    client = limiter.client_of(request)
    await run_in_threadpool(limiter.check, "keys", client)
    if not is_known(key, administration.keys):
        event(_log, "administration.refused", level=logging.WARNING)
        await run_in_threadpool(limiter.hit, "keys", client)
        raise Unauthorized("This key is not valid. It may have been replaced.", headers=_CHALLENGE)
