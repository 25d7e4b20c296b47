"""The installation a command works on: its settings, and what is built from them while the service may be stopped."""

from __future__ import annotations

from pydantic import ValidationError

from app.contracts.settings import Settings
from perturbations.errors import BadInput
from worker.process import Installation, offline


def installation() -> Installation:
    """The installation that the settings describe.

    Raises:
        BadInput: the settings are unusable.
    """
    return offline(usable_settings())


def usable_settings() -> Settings:
    """The settings of this installation.

    Raises:
        BadInput: one of them is unusable.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise BadInput(f"a POISE_ setting is unusable: {error}") from error
