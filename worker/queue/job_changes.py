"""What the end of a stage changes in a job's record, and the problems a stage can end with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.contracts.names import Stage
from app.contracts.problems import Internal, Problem, TookTooLong, Unavailable
from app.contracts.records.jobs import Job
from app.contracts.report import ArchitectureScore, Face, PerturbationInfo, Quality, Region, Scoring, Summary

if TYPE_CHECKING:
    from perturbations.protect import Protected
    from perturbations.score import PhotoScore


def record_protected(job: Job, done: Protected) -> None:
    """The copy is made and stored."""
    report = job.progress
    report.status = "protected"
    # from here on the sides are those of the upright photo, like everything else in the report
    report.source = report.source.model_copy(update={"width": done.source.width, "height": done.source.height})
    report.perturbation = PerturbationInfo(
        version=done.perturbation.version,
        epsilon=done.perturbation.epsilon,
        trained_on=tuple(done.perturbation.sidecar.get("targets", {})),
    )
    report.strength = done.strength
    report.faces = tuple(Face.model_validate(face) for face in done.faces)
    report.regions = tuple(
        Region(x=r.x, y=r.y, width=r.width, height=r.height, already_protected=already)
        for r, already in zip(done.regions, done.already_protected, strict=True)
    )
    report.tiled = done.tiled
    report.coverage = done.coverage
    report.notes = done.notes
    report.quality = Quality(
        psnr=done.quality.psnr if math.isfinite(done.quality.psnr) else None,
        ssim=done.quality.ssim,
        max_abs_diff=done.quality.max_abs_diff,
        delta_e=done.quality.delta_e,
        delta_e_p95=done.quality.delta_e_p95,
    )
    report.copy_bytes = len(done.data)
    job.media_type = done.media_type
    job.failing_since = None


def record_scoring(job: Job, done: int, total: int) -> None:
    """So many generators have tried the copy."""
    job.progress.scoring = Scoring(done=done, total=total)


def record_scores(job: Job, result: PhotoScore, previews: Sequence[tuple[str, str]]) -> None:
    """The copy is scored. previews: architecture and edit of every picture that is stored."""
    job.progress.scores = tuple(ArchitectureScore.model_validate(score) for score in result.scores)
    job.progress.summary = Summary.model_validate(result.summary)
    job.previews = tuple(previews)
    job.progress.faces_not_scored = result.faces_not_scored
    job.progress.scoring = None
    job.progress.scores_status = "done"
    job.progress.status = "scored"


def record_failure(job: Job, stage: Stage, problem: Problem) -> None:
    """A photo that cannot be protected has failed; one that cannot be scored is still protected."""
    if stage == "score":
        job.progress.scoring = None
        job.progress.scores_status = "failed"
        job.progress.scores_error = problem.document()
    else:
        job.progress.status = "failed"
        job.progress.error = problem.document()


def storage_away() -> Unavailable:
    """The storage has failed the stage for too long."""
    return Unavailable("The storage was full or did not answer for a while. Send the photo again later.")


def too_slow(stage: Stage, seconds: float) -> TookTooLong:
    """The stage has reached its time limit."""
    advice = {"protect": " Send a smaller copy, or one in another format.", "score": ""}
    return TookTooLong(
        f"This photo took longer than {seconds:g} seconds to {stage}, which is the limit.{advice[stage]}"
    )


def exhausted() -> Internal:
    """The stage has had all its attempts."""
    return Internal("Several attempts to process this photo failed. Try another photo.")
