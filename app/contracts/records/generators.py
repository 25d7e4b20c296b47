"""The record of a generator that was added to those Poise ships, however it was added.

It waits in quarantine (``checking``) until a worker, which has torch, has checked it. Then it is ``enabled``, or
``refused`` with the reason, or ``disabled`` if it and the enabled ones would exceed the limits. Enabled generators
train perturbations and score photos like those that ship. Only safetensors are loaded: the file itself, or a copy made
by the check. A twin has its generator's name; it only scores, and no perturbation is trained on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.generator_options import MAX_LICENCE, GivenDetails
from app.contracts.names import GENERATOR_NAME
from app.contracts.problems import ProblemDocument

TWIN: Final = "-twin"
"""What follows the name of a generator in the key of its twin."""
RULES: Final = 2
"""The current rules of the check. The first rules assumed the details that a layout does not show."""

Status = Literal["checking", "enabled", "disabled", "refused"]
Origin = Literal["uploaded", "registered", "fetched"]


class GeneratorExists(Exception):
    """The name is taken, by another generator or by an architecture Poise knows."""


class NoSuchGenerator(Exception):
    """There is no generator of that name."""


class NotChecked(Exception):
    """The checkpoint has not been checked yet, or was refused."""


class NoRoom(Exception):
    """The number, time or memory of generators would exceed a limit; the message says what to do."""


class NoTwin(Exception):
    """It cannot be a twin of that generator; the message says why."""


class Generator(BaseModel):
    """What is known about one generator."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Status = "checking"
    created_at: datetime
    bytes: int
    sha256: str
    architecture: str | None = Field(None, description="Which architecture the checkpoint fits.")
    paradigm: str | None = None
    parameters: int | None = None
    config: dict[str, Any] | None = None
    weights: str | None = Field(
        None, description="SHA-256 of the safetensors file that is loaded, once it has been checked."
    )
    seconds: float | None = Field(
        None, description="Seconds of processor time for one face, with all edits of the photo and of its copy."
    )
    megabytes: int | None = Field(None, description="Megabytes needed to score a face.")
    error: ProblemDocument | None = Field(None, description="Why it was refused or not enabled.")
    attempts: int = Field(0, description="How often a worker has started to check it.")
    image_size: int | None = Field(None, description="The width and height of the images it works on, in pixels.")
    edits: list[str] | None = Field(None, description="The names of its edits.")
    twin: bool = Field(
        False, description="Whether it is the twin of the generator of this name: no perturbation is trained on it."
    )
    licence: str = Field("", max_length=MAX_LICENCE, description="What its owner allows. Stored, not checked.")
    origin: Origin = Field(
        "uploaded", description="How it was added: over HTTP, by `poise targets add`, or by `fetch`."
    )
    told: GivenDetails = Field(GivenDetails(), description="The details that were given when it was added.")
    rules: int = Field(1, description="The rules it was checked by; those of older versions assumed missing details.")

    @property
    def key(self) -> str:
        """The key of its record; a twin's is ``NAME-twin``."""
        return self.name + (TWIN if self.twin else "")

    @property
    def outdated(self) -> bool:
        """Whether it was enabled by an older version, and has to be checked again before it is loaded."""
        return self.status == "enabled" and (self.weights is None or self.rules < RULES)

    @property
    def checked(self) -> bool:
        """Whether it was checked, and not refused."""
        return self.status in ("enabled", "disabled")


def is_key(key: str) -> bool:
    """Whether ``key`` can be the key of a generator or a twin."""
    return GENERATOR_NAME.fullmatch(key.removesuffix(TWIN)) is not None


def model_of(key: str) -> str | None:
    """The key of the generator that a twin belongs to; ``None`` if ``key`` is not a twin's."""
    return key.removesuffix(TWIN) if key.endswith(TWIN) else None
