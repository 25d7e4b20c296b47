"""The generators a worker process keeps loaded: those that ship with Poise, and those registered on this machine."""

from __future__ import annotations

import logging
from collections.abc import Hashable

from app.contracts.logs import event
from perturbations.checkpoints.active import active_targets
from perturbations.checkpoints.registered import Library as RegisteredTargets
from perturbations.precision import fastest_device
from perturbations.targets.interface import Target

_log = logging.getLogger(__name__)


class Surrogates:
    """Generators and their twins on the fastest device, each loaded once. registered: those of this machine."""

    def __init__(self, registered: RegisteredTargets) -> None:
        self.registered = registered
        self._shipped: dict[bool, tuple[Target, ...]] = {}
        self._added: dict[bool, tuple[Hashable, tuple[Target, ...]]] = {}

    def all(self, *, twins: bool) -> tuple[Target, ...]:
        """Those that ship and those registered, or their twins; loaded again where the registered ones have changed."""
        return (*self.shipped(twins=twins), *self._registered(twins=twins))

    def shipped(self, *, twins: bool) -> tuple[Target, ...]:
        """Those that ship, or their twins."""
        if twins not in self._shipped:
            self._shipped[twins] = tuple(active_targets(twins=twins, device=fastest_device()))
        return self._shipped[twins]

    def _registered(self, *, twins: bool) -> tuple[Target, ...]:
        """Those registered; one that cannot be loaded must not keep others from scoring."""
        stamp = self.registered.stamp()
        before, targets = self._added.get(twins, (None, ()))
        if before != stamp:
            targets = tuple(
                active_targets(
                    self.registered.names(),
                    twins=twins,
                    library=self.registered,
                    device=fastest_device(),
                    on_error=_left_out,
                )
            )
            self._added[twins] = stamp, targets
        return targets


def _left_out(name: str, error: Exception) -> None:
    event(_log, "target.unusable", level=logging.ERROR, target=name, error=type(error).__name__)
