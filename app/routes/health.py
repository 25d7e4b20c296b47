"""Whether the service is alive, and whether it can do its work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.contracts.problems import Unavailable
from app.problems import documented
from app.routes.dependencies import AnyService

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service is ready. Otherwise the answer is a problem."""

    status: Literal["alive", "ready", "degraded"]
    degraded: list[str] | None = Field(None, description="What does not work although photos are protected.")


@router.get("/livez", response_model_exclude_none=True)
async def livez() -> Health:
    """The process is alive."""
    return Health(status="alive")


@router.get("/readyz", responses=documented(503), response_model_exclude_none=True)
def readyz(service: AnyService) -> Health:
    """Redis answers, the blob store can be written, and photos are protected.

    `degraded` if only scores, large photos or trainings have no worker.
    """
    found = service.readiness()
    if found.down:
        wrong = [*found.down, *found.degraded]
        raise Unavailable("Not ready: " + "; ".join(wrong) + ".", headers={"Retry-After": "2"})
    if found.degraded:
        return Health(status="degraded", degraded=found.degraded)
    return Health(status="ready")
