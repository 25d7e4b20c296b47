"""An S3 bucket as storage, at Amazon or any compatible server.

Credentials come from the environment variables, files or instance roles that AWS tools read. The bucket must not keep
old versions of objects: erased objects must be gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from app.contracts.storage.base import Entry, checked, folder_of, is_key, replacing

_MISSING: Final = ("404", "NoSuchKey", "NotFound")
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 1000
"""Objects one request may delete."""
_CHECK_SECONDS: Final = 5.0
"""A bucket that could be written is not tried again for this long."""
_CLEAN_SECONDS: Final = 3_600.0
"""Pause between looks for unfinished uploads."""
_UPLOAD_SECONDS: Final = 86_400.0
"""An unfinished upload in pieces is left alone for at least this long: it does not say whether it still grows."""
_TRANSFER: Final = TransferConfig(multipart_threshold=32 << 20, multipart_chunksize=16 << 20, max_concurrency=4)


class S3Storage:
    """Objects of one bucket, below ``prefix``. See :class:`~app.contracts.storage.Storage`.

    Args:
        bucket: its name; it must exist.
        prefix: what stands before every key, without slashes at its ends.
        endpoint: URL of the server; Amazon's if ``None``.
        region: where the bucket is; what the AWS configuration says if ``None``.
        path_style: put the bucket's name into the path, not the host name; ``None``: only with an endpoint.

    Raises:
        OSError: these settings are invalid.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        path_style: bool | None = None,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix + "/" if prefix else ""
        self._checked_until = self._cleaned_until = 0.0
        in_path = endpoint is not None if path_style is None else path_style
        config = Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            max_pool_connections=32,
            s3={"addressing_style": "path" if in_path else "virtual"},
            # servers other than Amazon's often know no others
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # servers other than Amazon's often have no regions, but requests are signed for one
        region = region or ("us-east-1" if endpoint is not None else None)
        try:
            self._client: Any = boto3.session.Session().client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise OSError(str(error)) from error

    def put(self, key: str, data: bytes) -> None:
        """One request: the object is there once it is answered."""
        with _errors("put"):
            self._client.put_object(Bucket=self._bucket, Key=self._name(key), Body=data)

    def put_file(self, key: str, path: Path) -> None:
        """As ``put``; a large file in pieces that become an object together."""
        with _errors("put"), path.open("rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._name(key), Config=_TRANSFER)

    def get(self, key: str) -> bytes:
        """The bytes; ``FileNotFoundError`` if there are none."""
        for attempt in range(1, _ATTEMPTS + 1):
            with _errors("get"):
                try:
                    data: bytes = self._client.get_object(Bucket=self._bucket, Key=self._name(key))["Body"].read()
                except (HTTPClientError, IncompleteReadError):
                    # the client repeats a request that fails, but not one whose answer breaks off
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    return data
        raise AssertionError("the last attempt returns or raises")

    def get_file(self, key: str, path: Path) -> None:
        """A copy; ``FileNotFoundError`` if there is nothing."""
        with _errors("get"), replacing(path) as file:
            self._client.download_fileobj(self._bucket, self._name(key), file, Config=_TRANSFER)

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        try:
            with _errors("head"):
                self._client.head_object(Bucket=self._bucket, Key=self._name(key))
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove the object."""
        with _errors("delete"):
            self._client.delete_object(Bucket=self._bucket, Key=self._name(key))

    def delete_all(self, prefix: str) -> None:
        """Remove every object below ``prefix``. A late writer may add more, so there is a second round."""
        for _ in range(2):
            names = [found["Key"] for found in self._listed(prefix)]
            for start in range(0, len(names), _AT_ONCE):
                doomed = {"Objects": [{"Key": name} for name in names[start : start + _AT_ONCE]], "Quiet": True}
                with _errors("delete"):
                    answer = self._client.delete_objects(Bucket=self._bucket, Delete=doomed)
                if answer.get("Errors"):
                    raise OSError(f"the storage refused to delete: {answer['Errors'][0].get('Code', 'no reason')}")

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every object whose name is a key."""
        for found in self._listed(prefix):
            key = found["Key"].removeprefix(self._prefix)
            if is_key(key):
                yield Entry(key, found["Size"], found["LastModified"].timestamp())

    def folders(self, prefix: str) -> Iterator[str]:
        """The folders the server lists: a thousand per request, however many objects are below them."""
        below = self._prefix + folder_of(prefix)
        with _errors("list"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=below, Delimiter="/"):
                for found in page.get("CommonPrefixes", ()):
                    name = found["Prefix"].removeprefix(below).removesuffix("/")
                    if is_key(name):
                        yield name

    def clean(self, *, older_than: float) -> None:
        """Give up uploads in pieces that were never finished."""
        if time.monotonic() < self._cleaned_until:
            return
        self._cleaned_until = time.monotonic() + _CLEAN_SECONDS
        newest = datetime.now(UTC) - timedelta(seconds=max(older_than, _UPLOAD_SECONDS))
        with _errors("clean"):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] <= newest:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    def check(self) -> None:
        """Write and remove an object, unless that went well a moment ago."""
        if time.monotonic() < self._checked_until:
            return
        probe = self._prefix + ".probe"
        with _errors("check"):
            self._client.put_object(Bucket=self._bucket, Key=probe, Body=b"0")
            self._client.delete_object(Bucket=self._bucket, Key=probe)
        self._checked_until = time.monotonic() + _CHECK_SECONDS

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        """What the server lists below ``prefix``."""
        below = self._prefix + folder_of(prefix)
        with _errors("list"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=below):
                yield from page.get("Contents", ())


@contextmanager
def _errors(operation: str) -> Iterator[None]:
    """The client's errors as ``OSError``, and those for missing objects as ``FileNotFoundError``."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _MISSING:
            raise FileNotFoundError("there is nothing under this key") from error
        raise OSError(f"the storage refused to {operation}: {code}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(f"the storage failed to {operation}: {type(error).__name__}") from error
