"""The routes of trainings: start, watch, cancel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from redis import RedisError

from app.administration import Administration, AnyAdministration
from app.contracts.logs import event
from app.contracts.names import TRAIN
from app.contracts.problems import Conflict, NotFound, TooManyTrainings, Unavailable, Unprocessable
from app.contracts.records import trainings as contract
from app.contracts.records.curves import Point
from app.contracts.records.datasets import SYNTHETIC
from app.contracts.records.trainings import Training
from app.estimates import Estimate, estimate
from app.guards.queries import in_the_document
from app.problems import documented
from app.routes.admin.bodies import read_json
from app.routes.admin.training_report import TrainingReport

router = APIRouter(prefix="/trainings")
_log = logging.getLogger(__name__)

_ACTIVE: Final = "active"
_LOOK_SECONDS: Final = 0.5

TrainingId = Annotated[str, Path(alias="id", description="The id the training was accepted with.")]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"content": {"application/json": {"schema": contract.Request.model_json_schema()}}}
}

_IN_DOCUMENT: Final = [Depends(in_the_document())]


class TrainingList(BaseModel):
    """Trainings, the newest first."""

    trainings: list[TrainingReport]


@router.post(
    "", status_code=202, responses=documented(400, 408, 413, 415, 422), openapi_extra=_BODY, dependencies=_IN_DOCUMENT
)
async def start(request: Request, response: Response, administration: AnyAdministration) -> TrainingReport:
    """Train a new perturbation. One training runs at a time; others wait in line."""
    wanted = await read_json(request, contract.Request)
    training = await run_in_threadpool(enqueue, administration, wanted)
    response.headers["Location"] = f"/v1/admin/trainings/{training.id}"
    return TrainingReport.of(training)


class EstimateReport(BaseModel):
    """About how long a training would take."""

    model_config = ConfigDict(from_attributes=True)

    steps: int = Field(description="Of all stages; more if a target resists.")
    seconds: float
    least: float = Field(description="It may take as few seconds as this.")
    most: float = Field(description="It may take as many seconds as this: machines and generators differ.")
    measured: bool = Field(description="It follows from earlier trainings here. Otherwise it is a rough guess.")
    alone: tuple[str, ...] = Field(
        description="Targets trained against on their own first: no version knows their attainable effect."
    )


@router.post("/estimate", responses=documented(400, 408, 413, 415, 422), openapi_extra=_BODY, dependencies=_IN_DOCUMENT)
async def estimate_one(request: Request, administration: AnyAdministration) -> EstimateReport:
    """Estimate how long a training would take. Nothing is started."""
    wanted = await read_json(request, contract.Request)
    return EstimateReport.model_validate(await run_in_threadpool(_estimated, administration, wanted))


@router.get("")
def list_all(administration: AnyAdministration) -> TrainingList:
    """List all trainings on record."""
    return TrainingList(trainings=[TrainingReport.of(training) for training in administration.trainings.all()])


def found(training_id: TrainingId, administration: AnyAdministration) -> Training:
    """The training of a path.

    Raises:
        NotFound: there is no training with that id.
    """
    training = administration.trainings.get(training_id)
    if training is None:
        raise NotFound("There is no such training.")
    return training


Found = Annotated[Training, Depends(found)]


@router.get("/{id}", responses=documented(404))
def read(training: Found) -> TrainingReport:
    """Show the progress and the result of a training."""
    return TrainingReport.of(training)


@router.delete("/{id}", status_code=202, responses=documented(404, 409))
def cancel(training: Found, administration: AnyAdministration) -> TrainingReport:
    """Cancel a training: at once if it waits, at its next step if it runs."""
    if training.ended:
        raise Conflict(f"This training has already ended: it is {training.status}.")
    try:
        event(_log, "training.cancel_asked", training=training.id)
        return TrainingReport.of(administration.trainings.cancel(training.id))
    except contract.TrainingGone:
        raise NotFound("There is no such training.") from None


class Curve(BaseModel):
    """What the targets of a training did at some of its steps, in order."""

    points: list[Point]


@router.get("/{id}/curve", responses=documented(404, 422))
def curve(
    training: Found,
    administration: AnyAdministration,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1, description="Only the points after this step.")] = -1,
) -> Curve:
    """Show the curve of a training, also after it has ended. It is kept for 30 days."""
    return Curve(points=administration.trainings.curve(training.id, after=after))


@router.get(
    "/{id}/events",
    response_class=EventSourceResponse,
    responses={200: {"description": "Events named `training`, each with the training."}, **documented(404)},
)
async def events(training: Found, administration: AnyAdministration) -> AsyncIterator[ServerSentEvent]:
    """Follow a training: its report now and after every change, until it has ended."""
    now: Training | None = training
    sent_revision = -1
    while now is not None:
        if now.revision != sent_revision:
            sent_revision = now.revision
            yield ServerSentEvent(event="training", data=TrainingReport.of(now), id=str(sent_revision))
        if now.ended:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            now = await run_in_threadpool(administration.trainings.get, training.id)
        except RedisError:  # it may come back, and the client could do no more than wait as well
            continue


def enqueue(administration: Administration, wanted: contract.Request) -> Training:
    """Queue a training. Defaults are filled in now, so that they do not change while it waits.

    Raises:
        Unprocessable: a name is not known.
        TooManyTrainings: too many wait already.
        Unavailable: no worker has started yet.
    """
    settled = _settled(administration, wanted)
    try:
        training = administration.trainings.create(settled)
    except contract.TooManyTrainings:
        raise TooManyTrainings("Cancel a waiting one, or try again later.", headers={"Retry-After": "60"}) from None
    try:
        administration.queue.send(TRAIN, training.id)
    except OSError:
        # the record stands, so the sweeper calls once the queue is there again
        event(_log, "training.not_sent", level=logging.WARNING, training=training.id)
    event(_log, "training.accepted", training=training.id, preset=settled.preset, weighting=settled.weighting)
    return training


def _estimated(administration: Administration, wanted: contract.Request) -> Estimate:
    settled = _settled(administration, wanted)
    plans = administration.catalogue().plans
    if settled.preset not in plans:
        raise Unavailable("No worker of this version has started yet. Try again in a moment.")
    versions, trainings = administration.versions.all(), administration.trainings
    return estimate(
        settled,
        settled.targets or (),
        plans,
        versions=versions,
        trainings=trainings.all(),
        curve=trainings.curve,
    )


def _settled(administration: Administration, wanted: contract.Request) -> contract.Request:
    """What was asked for with its defaults filled in.

    Raises:
        Unprocessable: a name is not known.
        Unavailable: no worker has started yet.
    """
    settled = wanted.model_copy(
        update={
            "targets": _targets(administration, wanted.targets),
            "dataset": _dataset(administration, wanted.dataset),
            "warm_start": _warm_start(administration, wanted.warm_start),
        }
    )
    offered = administration.catalogue()
    _known("weighting", wanted.weighting, offered.weightings)
    _known("preset", wanted.preset, offered.presets)
    return settled


def _targets(administration: Administration, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    known = (*administration.catalogue().targets, *(record.name for record in administration.generators.enabled()))
    if wanted is None:
        return known
    if not wanted:
        raise Unprocessable("A training needs at least one target. Leave the field out to use all.")
    for name in wanted:
        _known("target", name, known)
    return tuple(name for name in known if name in wanted)


def _dataset(administration: Administration, wanted: str | None) -> str:
    shipped = administration.catalogue().faces
    known = {dataset.name: dataset for dataset in administration.datasets.all()}
    if shipped is not None:
        known[SYNTHETIC] = shipped
    if wanted is not None:
        _known("dataset", wanted, known)
        return wanted
    if shipped is None:
        raise Unprocessable(
            "No worker has started yet, so the faces that ship are unknown. "
            "Try again in a moment, or name a `dataset` of your own."
        )
    return SYNTHETIC


def _warm_start(administration: Administration, wanted: str | None) -> str | None:
    if wanted is None:
        return None
    version = administration.versions.announced() if wanted == _ACTIVE else wanted
    if version is None or administration.versions.get(version) is None:
        known = {version.version: version for version in administration.versions.all()}
        _known("version", wanted, known)
    return version


def _known(kind: str, name: str, known: Mapping[str, object] | tuple[str, ...]) -> None:
    if name not in known:
        # what was asked for is not repeated: it may hold anything
        raise Unprocessable(f"There is no such {kind}; there are: {', '.join(sorted(known)) or 'none'}.")
