"""The report of a protection: what the HTTP interface answers and what the worker fills in, step by step."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.names import Format, Strength
from app.contracts.problems import ProblemDocument

Status = Literal["queued", "running", "protected", "scored", "failed"]
ScoresStatus = Literal["off", "pending", "done", "failed"]
FaceSource = Literal["found", "given"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Source(_Part):
    """The photo as it was sent. Once it is decoded, the sides are those of the upright photo."""

    format: Format
    width: int = Field(ge=1, description="As stored in the file; of the upright photo once it is protected.")
    height: int = Field(ge=1, description="As for `width`.")
    bytes: int = Field(ge=1)


class PerturbationInfo(_Part):
    """The perturbation a photo was protected with."""

    version: str
    epsilon: float = Field(gt=0, description="Bound of the change, in units of [-1, 1]; 0.05 is six steps of 255.")
    trained_on: tuple[str, ...] = Field(
        default=(), description="Generators this version was trained on. Empty in reports that do not say so."
    )


class Face(_Part):
    """A face, in pixels of the upright photo. One that was given has the confidence 1."""

    x: int
    y: int
    width: int
    height: int
    confidence: float
    source: FaceSource = Field(default="found", description="Whether it was found, or given with the photo.")


class Region(_Part):
    """A protected rectangle: one per face, or the whole frame if no face was found."""

    x: int
    y: int
    width: int
    height: int
    already_protected: bool = Field(
        default=False,
        description="It already carried this perturbation. It was left unchanged, unless it was known to be weaker "
        "than asked for and could be made as strong: `notes` says so.",
    )


class Quality(_Part):
    """How much the protected copy differs from the photo."""

    psnr: float | None = Field(description="In dB. Capped at 100, which means no difference.")
    ssim: float
    max_abs_diff: int = Field(ge=0, le=255)
    delta_e: float = Field(0.0, description="How different colours look, as mean CIEDE2000. 1 is barely noticed.")
    delta_e_p95: float = Field(0.0, description="CIEDE2000 that 95 % of the pixels stay below.")


class EditScore(_Part):
    """One edit. Null if the edit changes nothing."""

    edit: str
    l2_mask: float | None
    interrupted: bool | None


class TwinScore(_Part):
    """The generator's twin: another seed, other data, and no perturbation was trained on it."""

    l2_mask: float | None
    interrupted: bool | None


class MessengerScore(_Part):
    """The same figures for a copy that a messenger has scaled down to 1080 pixels and compressed again."""

    l2_mask: float | None
    interrupted: bool | None


class ArchitectureScore(_Part):
    """How badly one generator fails on the protected copy."""

    architecture: str
    paradigm: str
    l2_mask: float | None
    interrupted: bool | None
    edits: tuple[EditScore, ...]
    twin: TwinScore | None = None
    after_messenger: MessengerScore | None = Field(
        default=None, description="What is left once the copy has gone through a messenger."
    )


class Scoring(_Part):
    """How far the generators are, while they are tried."""

    done: int = Field(ge=0, description="Generators that have been tried, each on every scored face.")
    total: int = Field(ge=1)


class Summary(_Part):
    """All generators in one line."""

    interrupted: int
    architectures: int
    weakest: str | None
    balance: float | None
    interrupted_after_messenger: int | None = Field(
        default=None, description="How many generators are still interrupted once a messenger has sent the copy on."
    )


class PreviewLinks(_Part):
    """What one generator makes of the original and of the protected copy: two PNG files."""

    architecture: str
    edit: str
    original: str
    protected: str


class Links(_Part):
    """Related addresses."""

    self: str
    events: str
    image: str | None
    previews: tuple[PreviewLinks, ...] = ()


class Progress(BaseModel):
    """Everything in a report except its id and links: the part the worker fills in."""

    model_config = ConfigDict(extra="forbid")

    status: Status = "queued"
    created_at: datetime
    expires_at: datetime
    source: Source
    perturbation: PerturbationInfo | None = None
    strength: Strength = Field(
        default="standard",
        description="As asked for. If all of the photo was protected already, that of the copy, as far as it is known.",
    )
    faces: tuple[Face, ...] = ()
    regions: tuple[Region, ...] = ()
    tiled: bool = Field(
        default=False,
        description="No face was found or given, so the whole frame was protected in tiles of the size of a face.",
    )
    coverage: float | None = Field(
        default=None, ge=0, le=1, description="Share of the photo's pixels inside the regions; null until protected."
    )
    notes: tuple[str, ...] = Field(
        default=(),
        description="What was protected and what was not, in sentences to show to the person who sent the photo.",
    )
    scores_status: ScoresStatus
    quality: Quality | None = None
    copy_bytes: int | None = Field(
        default=None, description="Bytes of the protected copy; it may be larger than the photo."
    )
    scores: tuple[ArchitectureScore, ...] = ()
    faces_not_scored: int = Field(
        0, ge=0, description="Faces left out of `scores`: those with the lowest confidence. They are still protected."
    )
    scoring: Scoring | None = Field(None, description="How far the generators are. Null before and after.")
    scores_error: ProblemDocument | None = Field(None, description="Why `scores_status` is `failed`.")
    summary: Summary | None = None
    error: ProblemDocument | None = None


class _Named(BaseModel):
    id: str


class Report(Progress, _Named):
    """The answer of ``GET /v1/protections/{id}``."""

    links: Links


class BatchItem(_Part):
    """One photo of a batch: a report or a problem, with the status it would have had on its own."""

    status: int
    report: Report | None = None
    problem: ProblemDocument | None = None


class Batch(_Part):
    """The answer of ``POST /v1/batches``: one item per photo, in the order sent."""

    items: tuple[BatchItem, ...]


class ActivePerturbation(BaseModel):
    """The perturbation that new photos get, and its measured effect on each generator."""

    model_config = ConfigDict(extra="forbid")

    version: str
    epsilon: float
    effect: dict[str, Any] | None = Field(description="As `poise evaluate` prints it for the transform `none`.")
    quality: dict[str, Any] | None = Field(
        description="How much protected pictures differ from the originals, on average."
    )
