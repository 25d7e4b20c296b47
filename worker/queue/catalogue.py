"""Tells the front end which generators and faces this machine has."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from redis import Redis

from app.contracts.records import catalogue

if TYPE_CHECKING:
    from perturbations.checkpoints.registered import Library as RegisteredTargets
    from worker.library import Library


class CataloguePublisher:
    """Publishes what ``library`` has, again whenever the registered targets have changed since."""

    def __init__(self, redis: Redis, library: Library, registered: RegisteredTargets) -> None:
        self._redis = redis
        self._library = library
        self._registered = registered
        self._published: Hashable = None

    def publish(self) -> None:
        """Publish it where that has changed since the last time, or never was done."""
        stamp = self._registered.stamp()
        if stamp != self._published:
            catalogue.publish(self._redis, self._library.catalogue())
            self._published = stamp
