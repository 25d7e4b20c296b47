"""An S3 server in a process of its own, with one empty bucket."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3

from tests.helpers.ports import free_port

BUCKET = "poise-test"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true"}
START_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Server:
    """Its address, and a client to inspect it directly."""

    endpoint: str
    client: Any
    process: subprocess.Popen[bytes]

    def environment(self, prefix: str) -> dict[str, str]:
        """What a service needs to keep its files here."""
        return {"POISE_STORAGE_URL": f"s3://{BUCKET}/{prefix}", "POISE_S3_ENDPOINT": self.endpoint, **CREDENTIALS}

    def names(self, prefix: str) -> set[str]:
        """Names of all objects that begin with ``prefix``."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server while the body runs; its log goes to ``folder``."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **CREDENTIALS})
    try:
        _wait(endpoint, process)
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=BUCKET)
        yield Server(endpoint, client, process)
        client.close()
    finally:
        process.terminate()
        process.wait(20)


def _wait(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "the S3 server has ended; see its log"
        assert time.monotonic() < end, "the S3 server does not answer"
        try:
            with urlopen(endpoint, timeout=5):  # noqa: S310 - our own address
                return
        except (URLError, OSError):
            time.sleep(0.2)
