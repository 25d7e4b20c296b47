"""What the workers have to offer, which the front end cannot look up for itself: shipped generators and faces."""

from __future__ import annotations

from typing import Final, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from app.contracts.records.datasets import Dataset

_OFFERS: Final = "poise:offers"


class Offers(BaseModel):
    """targets: the generators that ship, by name. faces: the dataset that ships."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: tuple[str, ...]
    faces: Dataset | None


def publish(redis: Redis, offers: Offers) -> None:
    """Say what there is."""
    redis.set(_OFFERS, offers.model_dump_json())


def published(redis: Redis) -> Offers | None:
    """What there is, once a worker has said so."""
    raw = cast("bytes | None", redis.get(_OFFERS))
    return None if raw is None else Offers.model_validate_json(raw)
