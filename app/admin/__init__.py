"""What administrators do over HTTP, with a key: trainings, perturbations, datasets and architectures."""

from fastapi import APIRouter, Depends

from app.admin.architectures import router as architectures_routes
from app.admin.auth import administrator
from app.admin.datasets import router as datasets_routes
from app.admin.perturbations import router as perturbations_routes
from app.admin.state import Administration
from app.admin.trainings import router as trainings_routes
from app.problems import documented

__all__ = ["Administration", "router"]

router = APIRouter(
    prefix="/v1/admin",
    tags=["administration"],
    dependencies=[Depends(administrator)],
    responses=documented(401, 403, 429, 503),
)
for part in (trainings_routes, perturbations_routes, datasets_routes, architectures_routes):
    router.include_router(part)
