"""What administrators do over HTTP, with a key: trainings, perturbations, datasets and architectures."""

from fastapi import APIRouter, Depends

from app.administration import Administration
from app.guards.administrators import administrator
from app.problems import documented
from app.routes.admin.architectures import router as architectures_routes
from app.routes.admin.choices import router as choices_routes
from app.routes.admin.datasets import router as datasets_routes
from app.routes.admin.perturbations import router as perturbations_routes
from app.routes.admin.status import router as status_routes
from app.routes.admin.trainings import router as trainings_routes

__all__ = ["Administration", "router"]

router = APIRouter(
    prefix="/v1/admin",
    tags=["administration"],
    dependencies=[Depends(administrator)],
    responses=documented(401, 403, 429, 503),
)
for part in (
    trainings_routes,
    perturbations_routes,
    datasets_routes,
    architectures_routes,
    choices_routes,
    status_routes,
):
    router.include_router(part)
