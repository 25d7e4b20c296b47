"""Whether the service is alive, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from app.contracts.problems import Unavailable
from app.dependencies import AnyService
from app.problems import documented

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Good news; bad news is a problem."""

    status: str


@router.get("/livez")
async def livez() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz", responses=documented(503))
def readyz(service: AnyService) -> Health:
    """Redis answers, the blob store can be written, and every queue has a live worker."""
    wrong = service.unready()
    if wrong:
        raise Unavailable("Not ready: " + "; ".join(wrong) + ".", headers={"Retry-After": "2"})
    return Health(status="ready")
