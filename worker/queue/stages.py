"""What happens to a job, stage by stage, without Celery. Every stage may run twice: the second run changes nothing.

Each attempt comes to one :class:`Outcome`. A record is changed only while the job is due for that stage, so late work
changes nothing; :meth:`~app.contracts.records.jobs.Jobs.advance` checks this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.contracts.logs import event
from app.contracts.names import Stage
from app.contracts.problems import ImageDamaged, Internal, Problem, Unprocessable
from app.contracts.queues import task_of
from app.contracts.records.jobs import Job, JobGone, Jobs
from app.contracts.records.versions import NoSuchVersion
from app.contracts.redis.metrics import FAILED, TOOK, Recorder, effect
from app.contracts.storage.blobs import Blobs, Kind, preview_kind
from perturbations.errors import BadImage, BadInput
from worker.explanations import sentence
from worker.queue.activity import CurrentJob
from worker.queue.erasure import tidy_up
from worker.queue.job_changes import (
    exhausted,
    record_failure,
    record_protected,
    record_scores,
    record_scoring,
    storage_away,
    too_slow,
)
from worker.queue.watched import Watched

if TYPE_CHECKING:
    from perturbations.artifact import Perturbation
    from perturbations.faces import Locate
    from perturbations.previews import Preview
    from perturbations.targets.interface import Target

_log = logging.getLogger(__name__)

STORAGE_AWAY_LIMIT: Final = timedelta(seconds=80)
"""How long the storage may fail a stage, which is tried every few seconds, before the job fails."""


class Outcome(StrEnum):
    """How an attempt at a stage came out."""

    DONE = "done"
    NOT_DUE = "not_due"
    """The job is past this stage: the message was delivered twice, or sent again needlessly."""
    JOB_GONE = "job_gone"
    """It was deleted or has expired."""
    PUT_OFF = "put_off"
    """The storage failed; the sweeper sends the job again."""
    SENT_AGAIN = "sent_again"
    """Something went wrong; the job is tried again."""
    GIVEN_UP = "given_up"
    """The stage has failed for good."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The work on jobs.

    send: hands a task, by name, and a job id to the queues. current: the job in progress, for the renewal of its
    lease. recorder: records the figures. locator: finds the faces of a photo. max_attempts: per job and stage.
    max_pixels, scored_faces: per photo. prohibit_mining: whether copies say that training on them is prohibited.
    sign: puts a signed statement into a copy, given its media type.
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
    prohibit_mining: bool = True
    sign: Callable[[bytes, str], bytes] | None = None

    def protect(
        self,
        job_id: str,
        perturbation: Callable[[str | None], Perturbation],
        others: Callable[[str], Sequence[Perturbation]] = lambda _: (),
    ) -> Outcome:
        """Protect the photo of a job, and have it scored.

        perturbation: the version of a name, or the active one. others: versions besides one that the photo may carry.
        """
        return self._run(
            "protect", job_id, lambda job: self._protect(job, _found(perturbation, job.options.perturbation), others)
        )

    def score(
        self, job_id: str, targets: Callable[[], Sequence[Target]], twins: Callable[[], Sequence[Target]]
    ) -> Outcome:
        """Score the protected photo of a job. The original is erased afterwards, however it ends."""
        return self._run("score", job_id, lambda job: self._score(job, targets(), twins()))

    def _run(self, stage: Stage, job_id: str, work: Callable[[Job], Outcome]) -> Outcome:
        """Do ``work`` on a job that is due for ``stage``, and clean up if it turns out not to be."""
        try:
            outcome = self._attempt(stage, job_id, work)
        except JobGone:
            outcome = Outcome.JOB_GONE
        if outcome is Outcome.JOB_GONE:
            self.blobs.erase(job_id)
            event(_log, f"{stage}.job_gone", job_id=job_id)
        elif outcome is Outcome.NOT_DUE:
            event(_log, f"{stage}.not_due", job_id=job_id)
            found = self.jobs.get(job_id)
            if found is not None and found.stage is None:
                # the process that ended it may have been killed before cleaning up, or late work left something behind
                self._ended(found)
        return outcome

    def _attempt(self, stage: Stage, job_id: str, work: Callable[[Job], Outcome]) -> Outcome:
        """Begin, and do ``work``; errors end the stage or have it tried again.

        Raises:
            JobGone: the job was deleted meanwhile.
        """
        job = self.jobs.advance(job_id, stage, lambda job: self._begin(job, stage), held=True)
        if job is None:
            return Outcome.NOT_DUE
        if job.stage != stage:  # too many attempts
            self._ended(job)
            self.recorder.add(FAILED.plus(stage, Internal.slug))
            return Outcome.GIVEN_UP
        event(_log, f"{stage}.started", job_id=job_id, attempt=job.attempts[stage])
        began = time.monotonic()
        try:
            with self.current.on(job_id):
                outcome = work(job)
        except Problem as problem:
            return self._give_up(job_id, stage, problem)
        except JobGone:
            raise
        except OSError:
            _log.exception("%s.put_off job_id=%s", stage, job_id)
            return self._put_off(job, stage)
        except Exception:  # noqa: BLE001 - whatever it is, the job must not hang
            _log.exception("%s.failed job_id=%s attempt=%d", stage, job_id, job.attempts[stage])
            return self._try_again(job, stage)
        if outcome is Outcome.DONE:
            self.recorder.add(*TOOK.seen(time.monotonic() - began, stage))
        return outcome

    def _protect(
        self, job: Job, perturbation: Perturbation, others: Callable[[str], Sequence[Perturbation]]
    ) -> Outcome:
        from perturbations.protect import protect_photo  # noqa: PLC0415 - torch only where tasks run

        original = self._read(job, "original")
        try:
            done = protect_photo(
                original,
                perturbation,
                format=job.options.format,
                max_pixels=self.max_pixels,
                locator=self.locator,
                strength=job.options.strength,
                known=others(perturbation.version),
                boxes=job.options.faces,
                prohibit_mining=self.prohibit_mining,
            )
        except BadImage as error:
            raise ImageDamaged(sentence(error)) from None
        if self.sign is not None:
            done = replace(done, data=self.sign(done.data, done.media_type))
        self.blobs.write(job.job_id, "protected", done.data)
        kept = self.jobs.advance(job.job_id, "protect", lambda job: record_protected(job, done))
        if kept is None:
            return Outcome.NOT_DUE
        event(_log, "protect.done", job_id=job.job_id, faces=len(done.faces))
        if kept.stage == "score":
            self.send(str(task_of(kept)), job.job_id)
        else:
            self._ended(kept)
        return Outcome.DONE

    def _score(self, job: Job, targets: Sequence[Target], twins: Sequence[Target]) -> Outcome:
        from perturbations import faces  # noqa: PLC0415 - torch only where tasks run
        from perturbations.score import score_photo  # noqa: PLC0415 - as above

        original, protected = self._read(job, "original"), self._read(job, "protected")
        located = [faces.Face(**face.model_dump()) for face in job.progress.faces]
        previews: list[Preview] | None = [] if job.options.previews else None
        try:
            result = score_photo(
                original,
                protected,
                targets=Watched(targets, lambda done: self._tell(job.job_id, done, len(targets))),
                twins=twins,
                faces=located,
                max_faces=self.scored_faces,
                max_pixels=self.max_pixels,
                previews=previews,
                messenger=True,
            )
        except BadInput as error:
            raise Unprocessable(sentence(error)) from None
        shown = self._keep_previews(job.job_id, previews or [])
        kept = self.jobs.advance(job.job_id, "score", lambda job: record_scores(job, result, shown))
        if kept is None:
            return Outcome.NOT_DUE
        self._ended(kept)
        self.recorder.add(*effect(kept.progress.scores))
        event(_log, "score.done", job_id=job.job_id, interrupted=result.summary.interrupted)
        return Outcome.DONE

    def _tell(self, job_id: str, done: int, total: int) -> None:
        """Tell how far the generators are.

        Raises:
            JobGone: the job was deleted meanwhile, so the rest need not try.
        """
        self.jobs.advance(job_id, "score", lambda job: record_scoring(job, done, total), held=True)

    def _keep_previews(self, job_id: str, previews: Sequence[Preview]) -> list[tuple[str, str]]:
        """Store the pictures. Returns architecture and edit of each that was stored."""
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
        """The photo or its copy. If it is gone although the job exists, it was lost, and trying again cannot help."""
        try:
            return self.blobs.read(job.job_id, kind)
        except FileNotFoundError:
            if self.jobs.get(job.job_id) is None:
                raise JobGone from None
            raise Internal("The photo was lost before it could be processed. Send it again.") from None

    def _begin(self, job: Job, stage: Stage) -> None:
        """Count an attempt, and fail a job that has used them all."""
        attempts = job.attempts.get(stage, 0) + 1
        job.attempts[stage] = attempts
        if attempts > self.max_attempts:
            record_failure(job, stage, exhausted())
        elif stage == "protect":
            job.progress.status = "running"

    def _try_again(self, job: Job, stage: Stage) -> Outcome:
        """Have a job tried once more at once, unless it has used all its attempts."""
        if job.attempts[stage] >= self.max_attempts:
            return self._give_up(job.job_id, stage, exhausted())
        self.send(str(task_of(job)), job.job_id)
        return Outcome.SENT_AGAIN

    def _put_off(self, job: Job, stage: Stage) -> Outcome:
        """Have the sweeper send a job again in a moment, because the storage failed; give up after a while."""
        since = job.failing_since or datetime.now(UTC)
        if datetime.now(UTC) - since > STORAGE_AWAY_LIMIT:
            return self._give_up(job.job_id, stage, storage_away())

        def change(job: Job) -> None:
            job.failing_since = since
            job.attempts[stage] -= 1

        put_off = self.jobs.advance(job.job_id, stage, change, held=True)
        return Outcome.NOT_DUE if put_off is None else Outcome.PUT_OFF

    def _give_up(self, job_id: str, stage: Stage, problem: Problem) -> Outcome:
        job = _end(self.jobs, self.recorder, job_id, stage, problem)
        if job is None:
            return Outcome.NOT_DUE
        self._ended(job)
        return Outcome.GIVEN_UP

    def _ended(self, job: Job) -> None:
        """Clean up: erase the original and, if the job failed, everything."""
        tidy_up(self.jobs, self.blobs, job)


def took_too_long(jobs: Jobs, recorder: Recorder, job_id: str, stage: Stage, seconds: float) -> None:
    """End a stage that is being killed at its time limit: it would take as long again.

    Stored data stays until the sweeper comes: the killed process may write until its end.
    """
    with suppress(JobGone):
        _end(jobs, recorder, job_id, stage, too_slow(stage, seconds))


def _end(jobs: Jobs, recorder: Recorder, job_id: str, stage: Stage, problem: Problem) -> Job | None:
    """Record that ``stage`` has failed for good; ``None`` if the job is past it."""
    job = jobs.advance(job_id, stage, lambda job: record_failure(job, stage, problem))
    if job is not None:
        recorder.add(FAILED.plus(stage, problem.slug))
        event(_log, f"{stage}.given_up", level=logging.WARNING, job_id=job_id, problem=problem.slug)
    return job


def _found(perturbation: Callable[[str | None], Perturbation], wanted: str | None) -> Perturbation:
    try:
        return perturbation(wanted)
    except NoSuchVersion:
        if wanted is None:
            raise
        raise Unprocessable(
            "The requested perturbation no longer exists. Leave the field out to use the active one."
        ) from None
