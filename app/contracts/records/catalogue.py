"""What the workers offer. The front end cannot look it up: it knows neither the engine nor its plug-ins."""

from __future__ import annotations

from typing import Final, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from redis import Redis

from app.contracts.records.datasets import Dataset

_KEY: Final = "poise:offers"


class Plan(BaseModel):
    """How long a preset trains: its steps, on batches of so many faces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    batch: int


class Catalogue(BaseModel):
    """targets: the generators that ship. faces: the dataset that ships. plans: what presets come to.

    The rest are the names in the registries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: tuple[str, ...]
    faces: Dataset | None
    architectures: tuple[str, ...]
    weightings: tuple[str, ...]
    presets: tuple[str, ...]
    plans: dict[str, Plan] = {}


def publish(redis: Redis, catalogue: Catalogue) -> None:
    """Publish the catalogue."""
    redis.set(_KEY, catalogue.model_dump_json())


def published(redis: Redis) -> Catalogue | None:
    """The catalogue, once a worker of this version has published it."""
    raw = cast("bytes | None", redis.get(_KEY))
    try:
        return None if raw is None else Catalogue.model_validate_json(raw)
    except ValidationError:
        return None
