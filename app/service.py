"""What the front end does, apart from HTTP: accept a photo, find a report, hand out the copy, erase everything."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from redis import RedisError

from app import readiness
from app.contracts.boxes import check_inside
from app.contracts.logs import event
from app.contracts.problems import Internal, KeySpent, NotFound, NotReady, TooManyJobs, Unavailable, Unprocessable
from app.contracts.queues import task_of
from app.contracts.records.jobs import Job, Jobs, Options, QueueFull, new_job_id
from app.contracts.report import ActivePerturbation, Links, PreviewLinks, Report
from app.contracts.storage.blobs import preview_kind
from app.idempotency import Claim, claim, request_digest
from app.photos.inspection import check_fits, inspect

if TYPE_CHECKING:
    from redis import Redis

    from app.contracts.records.versions import Versions
    from app.contracts.report import Source
    from app.contracts.settings import Settings
    from app.contracts.storage.blobs import Blobs, Which
    from app.readiness import Readiness

_log = logging.getLogger(__name__)


class Queue(Protocol):
    """Where tasks go, by name."""

    def send(self, task: str, job_id: str) -> None:
        """Hand over a task. Raises ``OSError`` if the queue cannot be reached."""


@dataclass(frozen=True, slots=True)
class Service:
    """The front end's work, on its three neighbours: Redis, the blob store and the queues."""

    settings: Settings
    redis: Redis
    jobs: Jobs
    blobs: Blobs
    versions: Versions
    queue: Queue

    def accept(self, image: bytes, options: Options, *, key: str | None = None) -> tuple[str, Job]:
        """Check a photo and queue it: the result id, and the job. Nothing of a refused photo is kept.

        key: the idempotency key of the request; a known one returns the earlier result.

        Raises:
            Problem: see :func:`app.photos.inspection.inspect`; an unknown perturbation; a full queue; no room; a key
                that is in use or stands for something else, see :func:`app.idempotency.claim`.
        """
        source = inspect(image, max_pixels=self.settings.max_pixels, heic=self.settings.heic)
        check_fits(source, options.format)
        check_inside(options.faces or (), source.width, source.height)
        self._check_perturbation(options.perturbation)
        if key is None:
            return self._create(image, source, options, None)
        claimed = claim(self.redis, key, request_digest(image, options.digested()))
        if isinstance(claimed, str):
            job = self.jobs.find(claimed)
            if job is None:
                raise KeySpent("The result made with this Idempotency-Key was erased. Use a new key for a new one.")
            return claimed, job
        try:
            return self._create(image, source, options, claimed)
        except BaseException:
            claimed.release()
            raise

    def _create(self, image: bytes, source: Source, options: Options, claimed: Claim | None) -> tuple[str, Job]:
        job_id = new_job_id()
        try:
            self.blobs.write(job_id, "original", image)
            beside = None if claimed is None else claimed.keep
            result_id, job = self.jobs.create(source, options, job_id=job_id, beside=beside)
        except QueueFull:
            self.blobs.erase(job_id)
            raise queue_full() from None
        except BaseException:
            self.blobs.erase(job_id)
            raise
        try:
            self.queue.send(str(task_of(job)), job_id)
        except OSError:
            # the record stands, so the sweeper sends it once the queue is there again
            event(_log, "protection.not_sent", level=logging.WARNING, job_id=job_id)
        event(_log, "protection.accepted", job_id=job_id, format=source.format, bytes=source.bytes)
        return result_id, job

    def report(self, result_id: str) -> Report:
        """The report of a protection.

        Raises:
            NotFound: no such result, or not any more.
        """
        return as_report(result_id, self.job(result_id))

    def image(self, result_id: str) -> tuple[bytes, str]:
        """The protected copy, and its media type.

        Raises:
            NotFound: no such result, or not any more.
            NotReady: it does not exist yet, or never will.
        """
        job = self.job(result_id)
        if job.progress.status == "failed":
            raise NotReady("This photo could not be protected. Its report says why.")
        if job.media_type is None:
            raise NotReady("The photo is not protected yet. Try again in a second.", headers={"Retry-After": "1"})
        try:
            return self.blobs.read(job.job_id, "protected"), job.media_type
        except FileNotFoundError:
            self.job(result_id)  # erased in between: not found
            event(_log, "protection.blob_missing", level=logging.ERROR, job_id=job.job_id)
            raise Internal("The protected copy was lost. Send the photo again.") from None

    def preview(self, result_id: str, architecture: str, edit: str, which: Which) -> bytes:
        """What a generator makes of the original or of the protected copy: a PNG.

        Raises:
            NotFound: no such result, or not any more; no such preview.
            NotReady: the photo is not scored yet.
        """
        job = self.job(result_id)
        if (architecture, edit) not in job.previews:
            if job.stage is not None and job.options.scores and job.options.previews:
                raise NotReady("The photo has not been scored yet. Try again soon.", headers={"Retry-After": "2"})
            raise NotFound("There is no such preview. `links.previews` in the report lists all of them.")
        try:
            return self.blobs.read(job.job_id, preview_kind(architecture, edit, which))
        except FileNotFoundError:
            self.job(result_id)  # erased in between: not found
            event(_log, "preview.blob_missing", level=logging.ERROR, job_id=job.job_id)
            raise NotFound("This preview was lost.") from None

    def erase(self, result_id: str) -> None:
        """Erase a protection: record, photo and copy.

        Raises:
            NotFound: no such result, or not any more.
            Unavailable: only the photo and its copy are erased: Redis takes no changes.
        """
        job = self.job(result_id)
        # the record first: from here on a late worker finds nothing to add to, and cleans up after itself
        try:
            self.jobs.delete(job)
        except RedisError:
            self.blobs.erase(job.job_id)
            raise Unavailable(
                "The photo and its copy are erased, but not yet the report. Try again in a few seconds.",
                headers={"Retry-After": "5"},
            ) from None
        self.blobs.erase(job.job_id)
        event(_log, "protection.erased", job_id=job.job_id)

    def active(self) -> ActivePerturbation:
        """The perturbation new photos get.

        Raises:
            Unavailable: no worker has published it yet.
        """
        found = self.versions.announcement()
        if found is None:
            raise Unavailable("No worker has started yet. Try again in a moment.", headers={"Retry-After": "5"})
        return found

    def readiness(self) -> Readiness:
        """What works at this moment."""
        return readiness.check(self.redis, self.blobs)

    def job(self, result_id: str) -> Job:
        """The record a result id opens.

        Raises:
            NotFound: no such result, or not any more.
        """
        job = self.jobs.find(result_id)
        if job is None:
            raise NotFound("There is no such result. It may have expired or been deleted.")
        return job

    def _check_perturbation(self, version: str | None) -> None:
        if version is None:
            return
        active = self.active().version
        if version == active or version in self.versions.announced_names():
            return
        # not announced yet, as after an import on the command line
        if self.versions.get(version) is None:
            raise Unprocessable(
                f"There is no such perturbation. The active one is {active}; leave the field out to use it."
            )


def queue_full() -> TooManyJobs:
    """The problem of a photo that found the queue full."""
    return TooManyJobs("Too many photos are waiting. Try again later.", headers={"Retry-After": "10"})


def as_report(result_id: str, job: Job) -> Report:
    """A job as its owner sees it."""
    here = f"/v1/protections/{result_id}"
    links = Links(
        self=here,
        events=f"{here}/events",
        image=f"{here}/image" if job.media_type is not None else None,
        previews=tuple(_preview_links(here, architecture, edit) for architecture, edit in job.previews),
    )
    return Report(id=result_id, links=links, **dict(job.progress))


def _preview_links(here: str, architecture: str, edit: str) -> PreviewLinks:
    there = f"{here}/previews/{architecture}/{edit}"
    return PreviewLinks(
        architecture=architecture, edit=edit, original=f"{there}/original.png", protected=f"{there}/protected.png"
    )
