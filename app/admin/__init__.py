"""What administrators do over HTTP, with a key: trainings, perturbations, datasets and architectures."""

from fastapi import APIRouter, Depends

from app.admin import architectures, datasets, perturbations, trainings
from app.admin.auth import administrator
from app.admin.state import Administration
from app.problems import documented

__all__ = ["Administration", "router"]

router = APIRouter(
    prefix="/v1/admin",
    tags=["administration"],
    dependencies=[Depends(administrator)],
    responses=documented(401, 403, 429, 503),
)
for part in (trainings, perturbations, datasets, architectures):
    router.include_router(part.router)
