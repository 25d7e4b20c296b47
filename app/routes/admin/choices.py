"""The route of the choices: what a training can be made of."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.administration import AnyAdministration
from app.contracts.records.catalogue import Plan
from app.contracts.records.trainings import Request

router = APIRouter(prefix="/choices")


class Choices(BaseModel):
    """What a training can be made of, and what it is made of if nothing is said."""

    targets: list[str] = Field(description="Generators that ship, and added ones that are enabled.")
    weightings: tuple[str, ...]
    presets: dict[str, Plan | None] = Field(description="How long each trains.")
    defaults: Request


@router.get("")
def read(administration: AnyAdministration) -> Choices:
    """Show what a training can be made of."""
    offered = administration.catalogue()
    enabled = [record.name for record in administration.generators.enabled()]
    return Choices(
        targets=[*offered.targets, *enabled],
        weightings=offered.weightings,
        presets={name: offered.plans.get(name) for name in offered.presets},
        defaults=Request.model_validate({}),
    )
