"""Which generators and faces the workers have, which the front end cannot look up for itself."""

from __future__ import annotations

from typing import Final, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from app.contracts.records.datasets import Dataset

_KEY: Final = "poise:offers"


class Catalogue(BaseModel):
    """targets: the generators that ship, by name. faces: the dataset that ships."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: tuple[str, ...]
    faces: Dataset | None


def publish(redis: Redis, catalogue: Catalogue) -> None:
    """Say what there is."""
    redis.set(_KEY, catalogue.model_dump_json())


def published(redis: Redis) -> Catalogue | None:
    """What there is, once a worker has said so."""
    raw = cast("bytes | None", redis.get(_KEY))
    return None if raw is None else Catalogue.model_validate_json(raw)
