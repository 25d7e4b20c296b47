"""The blob store: whole or not at all, private, and only for ids of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.contracts.blobs import FolderBlobs
from app.contracts.jobs import new_job_id


def test_what_is_written_is_read_and_erased(tmp_path: Path) -> None:
    store, job_id = FolderBlobs(tmp_path / "blobs"), new_job_id()
    store.write(job_id, "original", b"first")
    store.write(job_id, "original", b"second")
    store.write(job_id, "protected", b"copy")
    assert store.read(job_id, "original") == b"second"
    assert sorted(path.name for path in (tmp_path / "blobs" / job_id).iterdir()) == ["original", "protected"]
    store.erase(job_id, "original")
    with pytest.raises(FileNotFoundError):
        store.read(job_id, "original")
    assert store.read(job_id, "protected") == b"copy"
    store.erase(job_id)
    store.erase(job_id)
    assert list((tmp_path / "blobs").iterdir()) == []


def test_blobs_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    store, job_id = FolderBlobs(tmp_path / "blobs"), new_job_id()
    store.write(job_id, "original", b"photo")
    for path in [tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("job_id", ["", "..", "../../etc/passwd", "A" * 32, "0" * 31])
def test_other_ids_are_refused(tmp_path: Path, job_id: str) -> None:
    store = FolderBlobs(tmp_path / "blobs")
    with pytest.raises(ValueError, match="job id"):
        store.write(job_id, "original", b"photo")
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_full_or_missing_folder_is_noticed(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path / "blobs")
    store.check()
    (tmp_path / "blobs").rmdir()
    with pytest.raises(OSError, match="No such file"):
        store.check()
