"""The routes of perturbations anyone may ask about."""

from __future__ import annotations

from fastapi import APIRouter

from app.contracts.report import ActivePerturbation
from app.problems import documented
from app.protections import AnyService

router = APIRouter(prefix="/v1/perturbations", tags=["perturbations"])


@router.get("/active", responses=documented(503))
def active(service: AnyService) -> ActivePerturbation:
    """The perturbation new photos get, and its measured effect per architecture."""
    return service.active()
