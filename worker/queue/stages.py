"""What happens to a job, stage by stage, free of Celery. Every stage may run twice: the second run changes nothing."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.contracts.logs import event
from app.contracts.names import Stage
from app.contracts.problems import ImageDamaged, Internal, Problem, TookTooLong, Unavailable, Unprocessable
from app.contracts.queues import task_of
from app.contracts.records.jobs import Job, JobGone, Jobs
from app.contracts.records.versions import NoSuchVersion
from app.contracts.redis.metrics import FAILED, TOOK, Recorder, effect
from app.contracts.report import ArchitectureScore, Face, PerturbationInfo, Quality, Region, Summary
from app.contracts.storage.blobs import Blobs, Kind, preview_kind
from perturbations.errors import BadImage, BadInput
from worker.explanations import sentence
from worker.queue.activity import CurrentJob
from worker.queue.erasure import tidy_up

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation
    from perturbations.faces import Locate
    from perturbations.previews import Preview
    from perturbations.protect import Protected
    from perturbations.score import PhotoScore
    from perturbations.targets.interface import Target

_log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=80)
"""How long the storage may fail a stage, which is tried every few seconds: nobody waits two minutes for nothing."""


class _NotDue(Exception):
    """The job is past this stage: the message was delivered twice, or sent again for nothing."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The work on jobs.

    send: hands a task, by name, and a job id to the queues. current: told what is worked on, for whoever renews its
    lease. recorder: takes the figures. locator: finds the faces of a photo. max_attempts: per job and stage.
    max_pixels, scored_faces: per photo.
    """

    jobs: Jobs
    blobs: Blobs
    send: Callable[[str, str], None]
    current: CurrentJob
    recorder: Recorder
    locator: Locate
    max_attempts: int
    max_pixels: int
    scored_faces: int

    def protect(self, job_id: str, perturbation: Callable[[str | None], Perturbation]) -> None:
        """Protect the photo of a job, and have it scored. perturbation: the version of a name, or the active one."""
        self._run("protect", job_id, lambda job: self._protect(job, _found(perturbation, job.options.perturbation)))

    def score(
        self, job_id: str, targets: Callable[[], Sequence[Target]], twins: Callable[[], Sequence[Target]]
    ) -> None:
        """Score the protected photo of a job; the original goes when that is over, however it ends."""
        self._run("score", job_id, lambda job: self._score(job, targets(), twins()))

    def _run(self, stage: Stage, job_id: str, work: Callable[[Job], None]) -> None:
        """Do ``work`` on a job that is due for ``stage``; errors end the stage or send it again."""
        try:
            job = self.jobs.update(job_id, lambda job: self._begin(job, stage), held=True)
            if job.stage != stage:  # too many attempts
                self._ended(job)
                self.recorder.add(FAILED.plus(stage, Internal.slug))
                return
            event(_log, f"{stage}.started", job_id=job_id, attempt=job.attempts[stage])
            began = time.monotonic()
            try:
                with self.current.on(job_id):
                    work(job)
                self.recorder.add(*TOOK.seen(time.monotonic() - began, stage))
            except Problem as problem:
                self._give_up(job_id, stage, problem)
            except (_NotDue, JobGone):
                raise
            except OSError:
                _log.exception("%s.put_off job_id=%s", stage, job_id)
                self._put_off(job, stage)
            except Exception:  # noqa: BLE001 - whatever it is, the job must not hang
                _log.exception("%s.failed job_id=%s attempt=%d", stage, job_id, job.attempts[stage])
                if job.attempts[stage] < self.max_attempts:
                    self.send(str(task_of(job)), job_id)
                else:
                    self._give_up(job_id, stage, _exhausted())
        except _NotDue:
            event(_log, f"{stage}.not_due", job_id=job_id)
            found = self.jobs.get(job_id)
            if found is not None and found.stage is None:
                # whoever ended it may have been killed before it had tidied up, and late work has left something behind
                self._ended(found)
        except JobGone:
            self.blobs.erase(job_id)
            event(_log, f"{stage}.job_gone", job_id=job_id)

    def _protect(self, job: Job, perturbation: Perturbation) -> None:
        from perturbations.protect import protect_photo  # noqa: PLC0415 - torch only where tasks run

        original = self._read(job, "original")
        try:
            done = protect_photo(
                original,
                perturbation,
                format=job.options.format,
                max_pixels=self.max_pixels,
                locator=self.locator,
            )
        except BadImage as error:
            raise ImageDamaged(sentence(error)) from None
        self.blobs.write(job.job_id, "protected", done.data)
        kept = self.jobs.update(job.job_id, lambda job: _record_protected(job, done, perturbation))
        event(_log, "protect.done", job_id=job.job_id, faces=len(done.faces))
        if kept.stage == "score":
            self.send(str(task_of(kept)), job.job_id)
        else:
            self._ended(kept)

    def _score(self, job: Job, targets: Sequence[Target], twins: Sequence[Target]) -> None:
        from perturbations import faces  # noqa: PLC0415 - torch only where tasks run
        from perturbations.score import score_photo  # noqa: PLC0415 - as above

        original, protected = self._read(job, "original"), self._read(job, "protected")
        located = [faces.Face(**face.model_dump()) for face in job.progress.faces]
        previews: list[Preview] | None = [] if job.options.previews else None
        try:
            result = score_photo(
                original,
                protected,
                targets=targets,
                twins=twins,
                faces=located,
                max_faces=self.scored_faces,
                max_pixels=self.max_pixels,
                previews=previews,
            )
        except BadInput as error:
            raise Unprocessable(sentence(error)) from None
        shown = self._keep_previews(job.job_id, previews or [])
        kept = self.jobs.update(job.job_id, lambda job: _record_scores(job, result, shown))
        self._ended(kept)
        self.recorder.add(*effect(kept.progress.scores))
        event(_log, "score.done", job_id=job.job_id, interrupted=result.summary.interrupted)

    def _keep_previews(self, job_id: str, previews: Sequence[Preview]) -> list[tuple[str, str]]:
        """Store the pictures; architecture and edit of each that could be."""
        from perturbations.previews import png  # noqa: PLC0415 - torch only where tasks run

        kept: list[tuple[str, str]] = []
        for preview in previews:
            name = (preview.architecture, preview.edit)
            try:
                self.blobs.write(job_id, preview_kind(*name, "original"), png(preview.original))
                self.blobs.write(job_id, preview_kind(*name, "protected"), png(preview.protected))
            except ValueError:  # a generator from outside may call its edits what it likes
                event(_log, "preview.no_name", level=logging.WARNING, job_id=job_id)
                continue
            kept.append(name)
        return kept

    def _read(self, job: Job, kind: Kind) -> bytes:
        """The photo or its copy. One that is gone while its job is not was lost, and trying again cannot help."""
        try:
            return self.blobs.read(job.job_id, kind)
        except FileNotFoundError:
            if self.jobs.get(job.job_id) is None:
                raise JobGone from None
            raise Internal("The photo was lost before it was worked on; send it again.") from None

    def _begin(self, job: Job, stage: Stage) -> None:
        """Count an attempt, and fail a job that has had them all."""
        if job.stage != stage:
            raise _NotDue
        attempts = job.attempts.get(stage, 0) + 1
        job.attempts[stage] = attempts
        if attempts > self.max_attempts:
            _record_failure(job, stage, _exhausted())
        elif stage == "protect":
            job.progress.status = "running"

    def _put_off(self, job: Job, stage: Stage) -> None:
        """Have the sweeper send a job again in a moment, since the storage failed; that cannot go on for ever."""
        since = job.failing_since or datetime.now(UTC)
        if datetime.now(UTC) - since > PATIENCE:
            self._give_up(job.job_id, stage, _storage_away())
            return

        def change(job: Job) -> None:
            if job.stage != stage:
                raise _NotDue
            job.failing_since = since
            job.attempts[stage] -= 1

        self.jobs.update(job.job_id, change, held=True)

    def _give_up(self, job_id: str, stage: Stage, problem: Problem) -> None:
        self._ended(_end(self.jobs, self.recorder, job_id, stage, problem))

    def _ended(self, job: Job) -> None:
        """Nothing more will be done: the original goes, and of a failed job everything."""
        tidy_up(self.jobs, self.blobs, job)


def took_too_long(jobs: Jobs, recorder: Recorder, job_id: str, stage: Stage, seconds: float) -> None:
    """End a stage that is being killed at its time limit: it would take as long again.

    What is stored stays where it is until the sweeper comes: whoever is killed may write to the last.
    """
    with suppress(_NotDue, JobGone):
        _end(jobs, recorder, job_id, stage, _too_slow(stage, seconds))


def _end(jobs: Jobs, recorder: Recorder, job_id: str, stage: Stage, problem: Problem) -> Job:
    """Record that ``stage`` has failed for good."""

    def change(job: Job) -> None:
        if job.stage != stage:
            raise _NotDue
        _record_failure(job, stage, problem)

    job = jobs.update(job_id, change)
    recorder.add(FAILED.plus(stage, problem.slug))
    event(_log, f"{stage}.given_up", level=logging.WARNING, job_id=job_id, problem=problem.slug)
    return job


def _found(perturbation: Callable[[str | None], Perturbation], wanted: str | None) -> Perturbation:
    try:
        return perturbation(wanted)
    except NoSuchVersion:
        if wanted is None:
            raise
        raise Unprocessable("The perturbation that was asked for is not there any more; leave the field out.") from None


def _record_protected(job: Job, done: Protected, perturbation: Perturbation) -> None:
    if job.stage != "protect":
        raise _NotDue
    report = job.progress
    report.status = "protected"
    # from here on the sides are those of the upright photo, like everything else in the report
    report.source = report.source.model_copy(update={"width": done.source.width, "height": done.source.height})
    report.perturbation = PerturbationInfo(version=perturbation.version, epsilon=perturbation.epsilon)
    report.faces = tuple(Face.model_validate(face) for face in done.faces)
    report.regions = tuple(
        Region(x=r.x, y=r.y, width=r.width, height=r.height, already_protected=already)
        for r, already in zip(done.regions, done.already_protected, strict=True)
    )
    report.coverage = done.coverage
    report.notes = done.notes
    report.quality = Quality(
        psnr=done.quality.psnr if math.isfinite(done.quality.psnr) else None,
        ssim=done.quality.ssim,
        max_abs_diff=done.quality.max_abs_diff,
    )
    report.copy_bytes = len(done.data)
    job.media_type = done.media_type
    job.failing_since = None


def _record_scores(job: Job, result: PhotoScore, previews: Sequence[tuple[str, str]]) -> None:
    if job.stage != "score":
        raise _NotDue
    job.progress.scores = tuple(ArchitectureScore.model_validate(score) for score in result.scores)
    job.progress.summary = Summary.model_validate(result.summary)
    job.previews = tuple(previews)
    job.progress.faces_not_scored = result.faces_not_scored
    job.progress.scores_status = "done"
    job.progress.status = "scored"


def _record_failure(job: Job, stage: Stage, problem: Problem) -> None:
    """A photo that cannot be protected has failed; one that cannot be scored is protected all the same."""
    if stage == "score":
        job.progress.scores_status = "failed"
        job.progress.scores_error = problem.document()
    else:
        job.progress.status = "failed"
        job.progress.error = problem.document()


def _storage_away() -> Unavailable:
    return Unavailable("The storage of photos was full or did not answer for a while; send the photo again later.")


def _too_slow(stage: Stage, seconds: float) -> TookTooLong:
    advice = {"protect": " Send a smaller copy of it, or one in another format.", "score": ""}
    return TookTooLong(
        f"This photo took longer than {seconds:g} seconds to {stage}, the most it may take.{advice[stage]}"
    )


def _exhausted() -> Internal:
    return Internal("The photo could not be worked on, although it was tried several times; try another one.")
