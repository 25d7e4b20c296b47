"""Adds the version that ships with Poise to those of the installation."""

from __future__ import annotations

from app.contracts.records.versions import Versions
from perturbations import artifact


def ship(versions: Versions) -> None:
    """Put the version that ships into the storage, and activate it if none is active.

    An update of Poise brings its own version. It replaces the one that shipped before, but never
    of one an administrator has chosen.
    """
    shipped = versions.add(artifact.shipped(), origin="shipped").version
    log = versions.log()
    active = versions.get(log[-1].version) if log else None
    new = all(entry.version != shipped for entry in log)
    if active is None or (active.origin == "shipped" and new):
        versions.activate(shipped, reason="shipped with Poise")
    versions.announce()
