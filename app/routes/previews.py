"""The route of previews: what a generator makes of the original, and what it makes of the protected copy."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from app.contracts.storage.blobs import Which
from app.guards.limits import limited
from app.problems import documented
from app.routes.dependencies import AnyService, ResultId
from app.routes.protections import NO_STORE

router = APIRouter(prefix="/v1/protections", tags=["protections"])


@router.get(
    "/{id}/previews/{architecture}/{edit}/{which}.png",
    response_class=Response,
    responses={
        200: {
            "description": "The picture, at the size the generator works at.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(404, 409, 422, 429, 503),
    },
    dependencies=[Depends(limited("reads"))],
)
def preview(
    result_id: ResultId,
    architecture: Annotated[str, Path(description="A generator that the report names.")],
    edit: Annotated[str, Path(description="One of its edits.")],
    which: Annotated[Which, Path(description="Which picture the generator was given.")],
    service: AnyService,
) -> Response:
    """What a generator makes of the face, on the original or on the protected copy."""
    data = service.preview(result_id, architecture, edit, which)
    return Response(data, media_type="image/png", headers=NO_STORE)
