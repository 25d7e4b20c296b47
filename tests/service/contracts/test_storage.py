"""What a storage promises, asked of every storage; and what only one of them can break."""

from __future__ import annotations

import json
import os
import resource
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contracts.settings import BadSettings, Settings
from app.contracts.storage import Storage, storage_of
from app.contracts.storage.folder import FolderStorage
from app.contracts.storage.s3 import S3Storage
from tests.helpers.ports import free_port
from tests.service.helpers import running, s3

KEYS = ("photos/0a/original", "photos/0a/previews/stargan/black_hair/original.png", "photos/0ab/original", "faces.zip")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    """One S3 server for this file."""
    with s3.serving(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(server: s3.Server, credentials: None) -> S3Storage:  # noqa: ARG001 - the client reads the environment
    """An empty part of the bucket."""
    return S3Storage(s3.BUCKET, prefix=f"test/{secrets.token_hex(4)}", endpoint=server.endpoint)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Every kind of storage, empty."""
    if request.param == "folder":
        return FolderStorage(tmp_path / "storage")
    found: S3Storage = request.getfixturevalue("bucket")
    return found


def keys(storage: Storage, prefix: str = "") -> set[str]:
    return {entry.key for entry in storage.entries(prefix)}


class TestStorage:
    """The contract."""

    def test_what_is_put_is_got(self, storage: Storage) -> None:
        for data in (b"first", b"", bytes(range(256)) * 5000):
            storage.put("photos/0a/original", data)
            assert storage.get("photos/0a/original") == data
        assert keys(storage) == {"photos/0a/original"}

    def test_files_go_in_and_out(self, storage: Storage, tmp_path: Path) -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(os.urandom(3_000_000))
        storage.put_file("datasets/faces.zip", source)
        target.write_bytes(b"before")
        storage.get_file("datasets/faces.zip", target)
        assert target.read_bytes() == source.read_bytes() == storage.get("datasets/faces.zip")

    def test_nothing_is_found_where_nothing_is(self, storage: Storage, tmp_path: Path) -> None:
        storage.put("photos/0a/original", b"photo")
        for key in ("photos/0a/protected", "photos/0b/original", "photos/0a", "photos/0a/original/x"):
            assert not storage.exists(key)
            with pytest.raises(FileNotFoundError):
                storage.get(key)
            with pytest.raises(FileNotFoundError):
                storage.get_file(key, tmp_path / "target")
            storage.delete(key)
        assert not (tmp_path / "target").exists()
        assert storage.get("photos/0a/original") == b"photo"
        storage.delete_all("elsewhere")
        assert keys(storage, "elsewhere") == set()

    def test_deleting_takes_what_is_named_and_no_more(self, storage: Storage) -> None:
        for key in KEYS:
            storage.put(key, b"x")
        storage.delete_all("photos/0a")
        assert keys(storage) == {"photos/0ab/original", "faces.zip"}
        storage.delete("faces.zip")
        storage.delete("faces.zip")
        assert keys(storage) == {"photos/0ab/original"}
        assert not storage.exists("faces.zip")
        storage.delete_all("")
        assert keys(storage) == set()

    def test_entries_tell_size_and_time(self, storage: Storage) -> None:
        before = time.time()
        for number, key in enumerate(KEYS):
            storage.put(key, b"x" * number)
        after = time.time()
        found = {entry.key: entry for entry in storage.entries("")}
        assert {key: found[key].bytes for key in KEYS} == {key: number for number, key in enumerate(KEYS)}
        # servers round to seconds
        assert all(before - 2 <= entry.modified <= after + 2 for entry in found.values())
        assert keys(storage, "photos/0a") == keys(storage, "photos/0a/") == set(KEYS[:2])
        assert keys(storage, "photos/0a/original") == set()

    def test_folders_are_what_keys_have_next(self, storage: Storage) -> None:
        for key in (*KEYS, "photos/file"):
            storage.put(key, b"x")
        assert sorted(storage.folders("photos")) == ["0a", "0ab"]
        assert list(storage.folders("")) == ["photos"]
        assert list(storage.folders("photos/0a")) == ["previews"]
        for prefix in ("photos/0ab", "photos/file", "photos/0", "elsewhere"):
            assert list(storage.folders(prefix)) == []

    @pytest.mark.parametrize(
        "key", ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".a", "A", "a b", "ä", "a\n"]
    )
    def test_other_keys_are_refused(self, storage: Storage, key: str, tmp_path: Path) -> None:
        for refused in (storage.get, storage.delete, storage.exists):
            with pytest.raises(ValueError, match="storage key"):
                refused(key)
        with pytest.raises(ValueError, match="storage key"):
            storage.put(key, b"x")
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="storage key"):
            storage.put_file(key, tmp_path / "file")
        assert keys(storage) == set()

    def test_readers_never_see_a_part(self, storage: Storage) -> None:
        versions = [bytes([number]) * 200_000 for number in range(8)]
        storage.put("photos/0a/original", versions[0])
        seen: list[bytes] = []

        def read() -> None:
            seen.extend(storage.get("photos/0a/original") for _ in range(20))

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for version in versions * 2:
            storage.put("photos/0a/original", version)
        for reader in readers:
            reader.join()
        assert len(seen) == 40
        assert set(seen) <= set(versions)

    def test_writing_while_everything_is_deleted_fails_nobody(self, storage: Storage) -> None:
        over, failed = threading.Event(), []

        def write() -> None:
            while not over.is_set():
                try:
                    storage.put("photos/0a/original", b"photo")
                except OSError as error:
                    failed.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(30):
            storage.delete_all("photos/0a")
        over.set()
        writer.join()
        assert failed == []
        storage.delete_all("photos")
        assert keys(storage) == set()

    def test_check_leaves_nothing(self, storage: Storage) -> None:
        storage.check()
        storage.clean(older_than=0)
        assert keys(storage) == set()


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    for key in KEYS:
        storage.put(key, b"photo")
    storage.get_file(KEYS[0], tmp_path / "copy")
    for path in [tmp_path / "copy", tmp_path / "storage", *(tmp_path / "storage").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_folders_go_with_their_last_file(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    for key in KEYS:
        storage.put(key, b"photo")
        storage.delete(key)
    assert [path.name for path in (tmp_path / "storage").iterdir()] == [".partial"]


def test_what_killed_writers_leave_is_cleaned(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    storage.put("photos/0a/original", b"photo")
    left = tmp_path / "storage" / ".partial" / ".original.0123"
    left.write_bytes(b"ph")
    (tmp_path / "storage" / "photos" / "0b").mkdir()
    storage.clean(older_than=60)
    assert left.exists()
    storage.clean(older_than=0)
    assert not left.exists()
    assert [path.name for path in (tmp_path / "storage" / "photos").iterdir()] == ["0a"]
    assert keys(storage) == {"photos/0a/original"}


def test_a_file_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    storage.put("photos/0a/original", b"photo")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            storage.put("photos/0a/original", b"x" * (2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert storage.get("photos/0a/original") == b"photo"
    assert list((tmp_path / "storage" / ".partial").iterdir()) == []


def test_a_bucket_that_is_not_there_is_an_error(server: s3.Server, credentials: None) -> None:  # noqa: ARG001
    gone = S3Storage("no-such-bucket", endpoint=server.endpoint)
    for fails in (gone.check, lambda: gone.put("a", b"x"), lambda: gone.get("a"), lambda: list(gone.entries(""))):
        with pytest.raises(OSError, match="NoSuchBucket") as caught:
            fails()
        assert not isinstance(caught.value, FileNotFoundError)


def test_a_server_that_is_not_there_is_an_error(credentials: None) -> None:  # noqa: ARG001
    gone = S3Storage(s3.BUCKET, endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match="EndpointConnectionError"):
        gone.put("a", b"x")
    with pytest.raises(OSError, match="EndpointConnectionError"):
        gone.exists("a")


def test_large_files_travel_in_pieces(bucket: S3Storage, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(1 << 20) * 40)
    bucket.put_file("datasets/faces.zip", source)
    bucket.get_file("datasets/faces.zip", target)
    assert target.read_bytes() == source.read_bytes()


def test_settings_choose(tmp_path: Path, server: s3.Server, credentials: None) -> None:  # noqa: ARG001
    folder = storage_of(Settings(data_dir=tmp_path))
    folder.put("a", b"x")
    assert (tmp_path / "storage" / "a").read_bytes() == b"x"
    prefix = secrets.token_hex(4)
    there = storage_of(Settings(storage_url=f"s3://{s3.BUCKET}/{prefix}/", s3_endpoint=server.endpoint))
    there.put("a", b"x")
    assert server.names(prefix) == {f"{prefix}/a"}


def test_an_address_of_no_use_is_named() -> None:
    with pytest.raises(BadSettings, match="POISE_S3_ENDPOINT"):
        storage_of(Settings(storage_url="s3://bucket", s3_endpoint="http://no host"))


@pytest.mark.parametrize("url", ["file:///x", "s3://", "s3://Bucket", "s3://bucket/a//b", "s3://bucket/../x", "bucket"])
def test_other_urls_are_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    from app.contracts.settings import load_settings

    monkeypatch.setenv("POISE_STORAGE_URL", url)
    with pytest.raises(BadSettings, match="POISE_STORAGE_URL"):
        load_settings()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "app.contracts.storage.s3")
    with pytest.raises(BadSettings, match=r"poise\[s3\]"):
        storage_of(Settings(storage_url="s3://bucket"))


@pytest.mark.slow
def test_service_on_a_bucket(server: s3.Server, tmp_path: Path, astronaut_png: bytes) -> None:
    service = running.start(tmp_path / "var", POISE_LOG_FORMAT="json", **server.environment("service"))
    try:
        here = service.accepted(astronaut_png)
        report = service.settled(here)
        assert report["status"] == "scored"
        assert service.client.get(report["links"]["image"]).content.startswith(b"\x89PNG")
        kinds = {name.rpartition("/")[2] for name in server.names("service/photos/")}
        assert "protected" in kinds
        assert service.client.delete(here).status_code == 204
        assert server.names("service/photos/") == set()
        assert not list((tmp_path / "var").rglob("protected"))
        lines = [line for line in service.log.read_text().splitlines() if not line.startswith("Poise is ready")]
        logged = [json.loads(line) for line in lines]
        assert all({"time", "level", "logger", "event"} <= set(one) for one in logged)
        assert {one["event"] for one in logged if "job_id" in one} >= {
            "protection.accepted",
            "protect.done",
            "score.done",
        }
        assert here.rpartition("/")[2] not in service.log.read_text()
    finally:
        service.stop()
