"""Erases what must go once a job has ended."""

from __future__ import annotations

import logging

from app.contracts.logs import event
from app.contracts.records.jobs import Job, Jobs
from app.contracts.storage.blobs import Blobs

_log = logging.getLogger(__name__)


def tidy_up(jobs: Jobs, blobs: Blobs, job: Job) -> None:
    """Clean up after an ended job: erase its original and, if it failed, everything.

    If the storage fails, the job stays open, and the sweeper comes back to it.
    """
    if erase_what_goes(blobs, job):
        jobs.leases.close(job.job_id)


def erase_what_goes(blobs: Blobs, job: Job) -> bool:
    """Erase what must not outlive ``job``. Returns whether the storage did so."""
    try:
        blobs.erase(job.job_id, None if job.progress.status == "failed" else "original")
    except OSError as error:
        event(_log, "protection.not_erased", level=logging.WARNING, job_id=job.job_id, error=type(error).__name__)
        return False
    return True
