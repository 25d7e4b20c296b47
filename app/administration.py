"""What the administration routes work on, and the dependency that gives it to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from app.contracts.problems import Unavailable
from app.contracts.records import catalogue
from app.contracts.records.catalogue import Catalogue
from app.contracts.records.datasets import Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions

if TYPE_CHECKING:
    from redis import Redis

    from app.contracts.settings import Settings
    from app.service import Queue


@dataclass(frozen=True, slots=True)
class Administration:
    """Records of all kinds, the queues, and the hashes of the keys. incoming: where uploads grow."""

    settings: Settings
    redis: Redis
    queue: Queue
    trainings: Trainings
    versions: Versions
    datasets: Datasets
    generators: Generators
    keys: tuple[bytes, ...]
    incoming: Path

    def catalogue(self) -> Catalogue:
        """The generators and faces that the workers offer.

        Raises:
            Unavailable: none has started yet.
        """
        found = catalogue.published(self.redis)
        if found is None:
            raise Unavailable("No worker has started yet. Try again in a moment.", headers={"Retry-After": "5"})
        return found


def administration_of(request: Request) -> Administration:
    """The administration of this application."""
    found: Administration = request.app.state.administration
    return found


AnyAdministration = Annotated[Administration, Depends(administration_of)]
