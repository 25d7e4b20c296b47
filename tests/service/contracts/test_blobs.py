"""Blobs: only for ids and kinds of ours, and all of a job's go together."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.contracts.records.jobs import new_job_id
from app.contracts.storage import FolderStorage
from app.contracts.storage.blobs import Blobs, preview_kind

PREVIEW = preview_kind("stargan", "black_hair", "protected")


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(FolderStorage(tmp_path / "storage"))


def test_what_is_written_is_read_and_erased(blobs: Blobs) -> None:
    job_id, other = new_job_id(), new_job_id()
    blobs.write(other, "original", b"other")
    blobs.write(job_id, "original", b"first")
    blobs.write(job_id, "original", b"second")
    blobs.write(job_id, "protected", b"copy")
    blobs.write(job_id, PREVIEW, b"picture")
    assert blobs.read(job_id, "original") == b"second"
    assert blobs.read(job_id, PREVIEW) == b"picture"
    assert blobs.kinds(job_id) == {"original", "protected", PREVIEW}
    blobs.erase(job_id, "original")
    with pytest.raises(FileNotFoundError):
        blobs.read(job_id, "original")
    assert blobs.read(job_id, "protected") == b"copy"
    blobs.erase(job_id)
    blobs.erase(job_id)
    assert blobs.kinds(job_id) == set()
    assert blobs.kinds(other) == {"original"}


@pytest.mark.parametrize("job_id", ["", "..", "../../etc/passwd", "A" * 32, "0" * 31])
def test_other_ids_are_refused(blobs: Blobs, job_id: str) -> None:
    with pytest.raises(ValueError, match="job id"):
        blobs.write(job_id, "original", b"photo")
    with pytest.raises(ValueError, match="job id"):
        blobs.erase(job_id)
    assert list(blobs.jobs()) == []


@pytest.mark.parametrize(
    "names", [("..", "smile"), ("stargan", "../x"), ("a/b", "smile"), ("", "smile"), ("A", "smile")]
)
def test_other_names_of_previews_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="kind"):
        preview_kind(*names, "original")


def test_a_job_is_as_old_as_its_newest_blob(blobs: Blobs, tmp_path: Path) -> None:
    old, fresh, empty = new_job_id(), new_job_id(), new_job_id()
    (tmp_path / "storage" / "photos" / empty).mkdir(parents=True)
    for job_id in (old, fresh):
        blobs.write(job_id, "original", b"photo")
        past = time.time() - 1000
        os.utime(tmp_path / "storage" / "photos" / job_id / "original", (past, past))
    blobs.write(fresh, "protected", b"copy")
    assert {old, fresh} <= set(blobs.jobs())
    assert blobs.unchanged(old, seconds=500)
    assert not blobs.unchanged(fresh, seconds=500)
    assert blobs.unchanged(fresh, seconds=-10)
    assert not blobs.unchanged(empty, seconds=-10), "somebody may be about to put the first blob there"


def test_only_folders_of_jobs_count(blobs: Blobs, tmp_path: Path) -> None:
    job_id = new_job_id()
    blobs.write(job_id, "protected", b"copy")
    blobs.write(job_id, PREVIEW, b"picture")
    photos = tmp_path / "storage" / "photos"
    (photos / "somebody's").mkdir()
    (photos / ("0" * 31)).mkdir()
    (photos / new_job_id()).touch()
    assert list(blobs.jobs()) == [job_id]


def test_a_full_or_missing_folder_is_noticed(tmp_path: Path) -> None:
    blobs = Blobs(FolderStorage(tmp_path / "storage"))
    blobs.check()
    (tmp_path / "storage" / ".partial").rmdir()
    with pytest.raises(OSError, match="No such file"):
        blobs.check()
