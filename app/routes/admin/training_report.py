"""A training as administrators see it: a contract of its own, independent of the record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.problems import ProblemDocument
from app.contracts.records.trainings import Request, Status, Training


class TrainingReport(BaseModel):
    """What was asked for, how far it is, and what came out."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Status
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    request: Request
    cancelling: bool = Field(description="It was asked to stop, and stops at its next step.")
    stage: str | None = Field(description="The current stage: reading, alone-…, together, comparing.")
    step: int
    steps: int = Field(
        description="Steps of all stages. Grows if a target resists, because larger bounds are then tried."
    )
    done: dict[str, int] = Field(description="Steps done, by stage.")
    losses: dict[str, float]
    weights: dict[str, float]
    effect: dict[str, float | None] = Field(
        description="Mean L2mask per generator, of the last batch; of the result, once measured."
    )
    perturbation: str | None = Field(description="The resulting version.")
    comparison: dict[str, Any] | None = Field(description="The result compared with the version that was active.")
    error: ProblemDocument | None = Field(description="Why it failed, or why its result was not activated.")
    revision: int = Field(description="Grows with every change.")
    crashes: int = Field(description="How often it lost its worker without progress in between.")
    crashed_at: int = Field(description="The step at which that last happened.")
    failing_since: datetime | None = Field(
        description="When a file it needs first could not be read or written since it last made progress."
    )
    failing_at: int = Field(description="The step it was at then.")

    @classmethod
    def of(cls, training: Training) -> Self:
        """The report of a record."""
        return cls.model_validate({name: getattr(training, name) for name in cls.model_fields})
