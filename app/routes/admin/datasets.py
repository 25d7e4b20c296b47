"""The routes of datasets: upload an archive of faces, list, delete."""

from __future__ import annotations

import logging
from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from app.administration import Administration, AnyAdministration
from app.archives import inspect
from app.contracts.logs import event
from app.contracts.problems import Conflict, NotFound, Unprocessable
from app.contracts.records import datasets as contract
from app.contracts.records.datasets import Dataset
from app.guards.queries import only
from app.problems import documented
from app.routes.admin.bodies import Received, file_body, received

router = APIRouter(prefix="/datasets")
_log = logging.getLogger(__name__)

_FEW: Final = CapacityLimiter(2)
"""Archives inspected and stored at once: this takes minutes, and other requests need the threads."""

DatasetName = Annotated[str, Path(alias="name", description="The dataset's name.")]


class DatasetList(BaseModel):
    """Every dataset. A training that names none uses the one that ships."""

    datasets: list[Dataset]


@router.get("")
def list_all(administration: AnyAdministration) -> DatasetList:
    """List all datasets."""
    shipped = administration.catalogue().faces
    return DatasetList(datasets=[*([shipped] if shipped is not None else []), *administration.datasets.all()])


@router.post(
    "",
    status_code=201,
    responses=documented(400, 408, 409, 413, 415, 422),
    openapi_extra=file_body("application/zip"),
    dependencies=[Depends(only(("name",), advice="Known is name."))],
)
async def upload(
    request: Request,
    response: Response,
    administration: AnyAdministration,
    name: Annotated[
        str | None, Query(description="Lower-case letters, digits and hyphens. Generated if left out.")
    ] = None,
) -> Dataset:
    """Upload a ZIP file of face pictures to train on. Everything in it is checked first."""
    limit = administration.settings.max_dataset_bytes
    async with received(request, administration.incoming, max_bytes=limit, name=name) as file:
        dataset = await to_thread.run_sync(_keep, administration, file, limiter=_FEW)
    response.headers["Location"] = f"/v1/admin/datasets/{dataset.name}"
    return dataset


@router.get("/{name}", responses=documented(404))
def read(name: DatasetName, administration: AnyAdministration) -> Dataset:
    """Show a dataset."""
    shipped = administration.catalogue().faces if name == contract.SYNTHETIC else None
    dataset = shipped or administration.datasets.get(name)
    if dataset is None:
        raise _not_found()
    return dataset


@router.delete("/{name}", status_code=204, response_class=Response, responses=documented(404, 409))
def delete(name: DatasetName, administration: AnyAdministration) -> None:
    """Delete a dataset that no open training needs."""
    if any(not t.ended and t.request.dataset == name for t in administration.trainings.all()):
        raise Conflict("A training that has not ended needs this dataset. Cancel it first.")
    try:
        administration.datasets.delete(name)
    except contract.NoSuchDataset:
        raise _not_found() from None
    event(_log, "dataset.deleted")


def _keep(administration: Administration, file: Received) -> Dataset:
    name = file.name or f"faces-{file.sha256[:8]}"
    if not contract.NAME.fullmatch(name):
        raise Unprocessable("A dataset's name consists of at most 63 lower-case letters, digits and hyphens.")
    contents = inspect(file.path, max_bytes=administration.settings.max_dataset_bytes)
    try:
        dataset = administration.datasets.add(
            file.path, name=name, sha256=file.sha256, faces=contents.faces, ignored=contents.ignored
        )
    except contract.DatasetExists:
        raise Conflict("A dataset with this name exists. Delete it first, or choose another name.") from None
    event(_log, "dataset.added", faces=dataset.faces, bytes=dataset.bytes)
    return dataset


def _not_found() -> NotFound:
    return NotFound("There is no such dataset. /v1/admin/datasets lists all of them.")
