"""The public routes of perturbations."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from app.contracts.report import ActivePerturbation
from app.guards.limits import limited
from app.problems import documented
from app.routes.dependencies import AnyService

router = APIRouter(prefix="/v1/perturbations", tags=["perturbations"])


@router.get("/active", responses=documented(429, 503), dependencies=[Depends(limited("reads"))])
def active(service: AnyService) -> ActivePerturbation:
    """The active perturbation and its measured effect on each generator."""
    return service.active()
