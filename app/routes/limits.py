"""The route of the limits: what may be sent, and how long it is kept."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from app.guards.limits import limited
from app.problems import documented
from app.routes.dependencies import AnyService

router = APIRouter(prefix="/v1/limits", tags=["protections"])


class Limits(BaseModel):
    """What this service accepts, and for how long it keeps results."""

    max_upload_bytes: int = Field(description="Most bytes of one photo.")
    max_pixels: int = Field(description="Most pixels of one photo.")
    max_batch: int = Field(description="Most photos of one batch.")
    max_batch_bytes: int = Field(description="Most bytes of all photos of one batch.")
    retention_seconds: int = Field(description="How long a result is kept.")


@router.get("", responses=documented(429, 503), dependencies=[Depends(limited("reads"))])
def read(service: AnyService, response: Response) -> Limits:
    """What may be sent, and how long it is kept."""
    response.headers["Cache-Control"] = "no-cache"
    return Limits.model_validate(service.settings, from_attributes=True)
