"""Archives of faces to train on, in the storage: ``datasets/<name>.zip`` and beside it, written last, its record."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.storage import Storage

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SYNTHETIC: Final = "synthetic"
"""The faces Poise ships, where it does: the dataset of a training that names none."""
MIN_FACES: Final = 24
"""A quarter is held out to compare versions; of the rest a third measures, and one batch of eight must be left."""


class DatasetExists(Exception):
    """There is a dataset of that name already."""


class NoSuchDataset(Exception):
    """There is no dataset of that name."""


class Dataset(BaseModel):
    """What is known about one archive."""

    model_config = ConfigDict(extra="forbid")

    name: str
    created_at: datetime | None = Field(description="Null for the one Poise ships.")
    bytes: int
    sha256: str
    faces: int = Field(description="Pictures that can be trained on.")
    ignored: int = Field(0, description="Files that are no pictures, or too small ones.")
    shipped: bool = False


class Datasets:
    """The datasets of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, path: Path, *, name: str, sha256: str, faces: int, ignored: int) -> Dataset:
        """Keep the archive at ``path``, which the caller has checked.

        Raises:
            DatasetExists: the name is taken.
            ValueError: it cannot be used.
        """
        if not NAME.fullmatch(name):
            raise ValueError("a dataset's name may have small letters, digits and hyphens only")
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
        self._storage.put_file(_archive(name), path)
        self._storage.put(_record(name), dataset.model_dump_json().encode())
        return dataset

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
        keys = sorted(entry.key for entry in self._storage.entries("datasets/") if entry.key.endswith(".json"))
        found = (self.get(key.removeprefix("datasets/").removesuffix(".json")) for key in keys)
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
            self._storage.get_file(_archive(name), path)
        except FileNotFoundError:
            raise NoSuchDataset(name) from None
        return dataset

    def delete(self, name: str) -> None:
        """Forget a dataset.

        Raises:
            NoSuchDataset: there is none of that name.
        """
        if self.get(name) is None:
            raise NoSuchDataset(name)
        self._storage.delete(_record(name))
        self._storage.delete(_archive(name))


def _archive(name: str) -> str:
    return f"datasets/{name}.zip"


def _record(name: str) -> str:
    return f"datasets/{name}.json"
