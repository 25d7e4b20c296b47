"""The curve of a training in Redis: what its targets did at some of its steps, for charts, also after it has ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from redis import Redis

_KEPT: Final = timedelta(days=30)
_FEW: Final = {"together": 200}
"""About how many points of a stage are kept."""
_FEWER: Final = 40


class Point(BaseModel):
    """One step. Its numbers are rounded to four digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(description="Counted over all stages.")
    stage: str
    at: datetime
    losses: dict[str, float]
    weights: dict[str, float]
    effect: dict[str, float | None] = Field(description="Mean L2mask per generator, of the batch of this step.")


def is_kept(stage: str, step: int, steps: int) -> bool:
    """Whether a step of a stage is to be kept: a few, evenly, and the last."""
    return step == steps or step % max(1, steps // _FEW.get(stage, _FEWER)) == 0


def add(redis: Redis, training_id: str, point: Point) -> None:
    """Add a point. Later ones are of an attempt that was lost, and go."""
    key = _key(training_id)
    with redis.pipeline(transaction=True) as pipe:
        pipe.zremrangebyscore(key, point.step, "+inf")
        pipe.zadd(key, {point.model_dump_json(): point.step})
        pipe.expire(key, _KEPT)
        pipe.execute()


def read(redis: Redis, training_id: str, *, after: int = -1) -> list[Point]:
    """The points after a step, in order."""
    raw = cast("list[bytes]", redis.zrangebyscore(_key(training_id), f"({after}", "+inf"))
    return [Point.model_validate_json(one) for one in raw]


def forget(redis: Redis, training_id: str) -> None:
    """Delete a curve."""
    redis.delete(_key(training_id))


def _key(training_id: str) -> str:
    return f"poise:training:{training_id}:curve"
