"""The route of the status: queues, workers and failures at one moment."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.administration import AnyAdministration
from app.contracts.names import BESIDE, QUEUES
from app.contracts.redis import backlog, liveness, metrics
from app.contracts.redis.messages import queue_key
from app.routes.dependencies import AnyService

router = APIRouter(prefix="/status")


class QueueStatus(BaseModel):
    """One queue and those who work on it."""

    queue: str
    waiting: int = Field(description="Messages that wait.")
    oldest_seconds: float = Field(description="Age of the oldest of them.")
    stuck: bool = Field(description="Messages wait, and no worker takes one.")
    workers: int
    hosts: list[str] = Field(description="The machines of the workers.")


class StageStatus(BaseModel):
    """How a stage of the work on photos has gone, since the figures began."""

    stage: str
    done: int
    mean_seconds: float


class Failures(BaseModel):
    """Stages that were given up, for one reason."""

    stage: str
    problem: str
    count: int


class Status(BaseModel):
    """Queues, workers and failures."""

    down: list[str] = Field(description="What keeps photos from being protected.")
    degraded: list[str] = Field(description="What else does not work.")
    photos_open: int = Field(description="Photos with work left to do.")
    queues: list[QueueStatus]
    stages: list[StageStatus]
    failures: list[Failures]


@router.get("")
def read(administration: AnyAdministration, service: AnyService) -> Status:
    """Show queues, workers and failures."""
    redis = administration.redis
    figures = metrics.read(redis)
    readiness = service.readiness()
    return Status(
        down=readiness.down,
        degraded=readiness.degraded,
        photos_open=service.jobs.leases.count(),
        queues=[
            QueueStatus(
                queue=queue,
                waiting=int(redis.llen(queue_key(queue))),
                oldest_seconds=backlog.oldest(redis, queue),
                stuck=backlog.stuck(redis, queue),
                workers=liveness.count(redis, queue),
                hosts=sorted(liveness.hosts(redis, queue)),
            )
            for queue in (*QUEUES, *BESIDE.values())
        ],
        stages=[
            StageStatus(stage=stage, done=int(seen.counts[-1]), mean_seconds=seen.sum / max(1.0, seen.counts[-1]))
            for (stage,), seen in figures.distributions(metrics.TOOK).items()
        ],
        failures=[
            Failures(stage=stage, problem=problem, count=int(count))
            for (stage, problem), count in figures.numbers(metrics.FAILED).items()
        ],
    )
