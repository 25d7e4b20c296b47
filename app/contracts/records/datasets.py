"""Archives of faces to train on, in the storage: one folder each, ``datasets/<name>/``; the record is written last."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis

from app.contracts.redis.locks import one_at_a_time
from app.contracts.storage import Storage, recorded

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SYNTHETIC: Final = "synthetic"
"""The faces Poise ships: the dataset of a training that names none."""
MIN_FACES: Final = 24
"""A quarter is held out to compare versions; of the rest a third measures, and one batch of eight must be left."""

_LOCK: Final = "poise:datasets:lock"


class DatasetExists(Exception):
    """There is a dataset of that name already."""


class NoSuchDataset(Exception):
    """There is no dataset of that name."""


class Dataset(BaseModel):
    """What is known about one archive."""

    model_config = ConfigDict(extra="forbid")

    name: str
    created_at: datetime | None = Field(description="Null for the one that ships.")
    bytes: int
    sha256: str
    faces: int = Field(description="Pictures that can be trained on.")
    ignored: int = Field(0, description="Files that are not pictures, or are too small.")
    shipped: bool = False


class Datasets:
    """The datasets of one storage. redis: for locks when datasets change; not needed to read."""

    def __init__(self, storage: Storage, redis: Redis | None = None) -> None:
        self._storage = storage
        self._redis = redis

    def add(self, path: Path, *, name: str, sha256: str, faces: int, ignored: int) -> Dataset:
        """Keep the archive at ``path``, which the caller has checked.

        Raises:
            DatasetExists: the name is taken.
            ValueError: it cannot be used.
        """
        if not NAME.fullmatch(name):
            raise ValueError("a dataset's name may only have lower-case letters, digits and hyphens")
        if name == SYNTHETIC or self.get(name) is not None:
            raise DatasetExists(name)
        dataset = Dataset(
            name=name,
            created_at=datetime.now(UTC),
            bytes=path.stat().st_size,
            sha256=sha256,
            faces=faces,
            ignored=ignored,
        )
        self._storage.put_file(_archive(dataset), path)
        with one_at_a_time(self._redis, _LOCK):
            first = self.get(name)
            if first is None:
                self._storage.put(_record(name), dataset.model_dump_json().encode())
                return dataset
        if first.sha256 != sha256:
            self._storage.delete(_archive(dataset))
        raise DatasetExists(name)

    def get(self, name: str) -> Dataset | None:
        """The record of a dataset."""
        if not NAME.fullmatch(name):
            return None
        try:
            return Dataset.model_validate_json(self._storage.get(_record(name)))
        except FileNotFoundError:
            return None

    def all(self) -> list[Dataset]:
        """Every dataset, by name."""
        found = (self.get(name) for name in recorded(self._storage, "datasets"))
        return [dataset for dataset in found if dataset is not None]

    def fetch(self, name: str, path: Path) -> Dataset:
        """Copy an archive to ``path``; its record.

        Raises:
            NoSuchDataset: there is none of that name.
        """
        dataset = self.get(name)
        if dataset is None:
            raise NoSuchDataset(name)
        try:
            self._storage.get_file(_archive(dataset), path)
        except FileNotFoundError:
            raise NoSuchDataset(name) from None
        return dataset

    def delete(self, name: str) -> None:
        """Delete a dataset.

        Raises:
            NoSuchDataset: there is none of that name.
        """
        with one_at_a_time(self._redis, _LOCK):
            dataset = self.get(name)
            if dataset is None:
                raise NoSuchDataset(name)
            self._storage.delete(_record(name))
            self._storage.delete(_archive(dataset))


def _archive(dataset: Dataset) -> str:
    """Named by its content, so that two uploads under one name do not overwrite each other."""
    return f"datasets/{dataset.name}/{dataset.sha256}"


def _record(name: str) -> str:
    return f"datasets/{name}/record.json"
