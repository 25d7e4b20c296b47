"""Downloads large files: resumes after interruptions, checks the result, and fails at once when offline."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from perturbations.checkpoints.reading import MAX_BYTES
from perturbations.errors import DownloadFailed
from perturbations.files import replacing

CONNECT_SECONDS: Final = 5.0
"""The longest time to establish a connection."""
SILENT_SECONDS: Final = 30.0
"""The longest time a server may send nothing."""
CHUNK: Final = 1 << 18
ATTEMPTS: Final = 20
"""How often a transfer is tried in all, as long as every try makes progress."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far, and the total if it is known."""


def download(
    address: str,
    path: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda _here, _total: None,
) -> None:
    """Download the file at ``address`` to ``path``, complete and checked. Resumes an earlier call's download.

    Args:
        size: the bytes it must have, if known.
        sha256: its expected hash in hexadecimal, if known.

    Raises:
        DownloadFailed: the server cannot be reached or does not have it, or it is not the expected file.
    """
    if path.exists() and _is(path, size, sha256):
        return
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        had = _length(part)
        try:
            _receive(address, part, size, progress)
            break
        except urllib.error.HTTPError as error:
            with error:
                raise DownloadFailed(f"{address} answered {error.code} ({error.reason})") from error
        except (OSError, http.client.HTTPException) as error:
            got_on = _length(part) > had and attempt + 1 < ATTEMPTS
            if not got_on:
                raise DownloadFailed(_reason(address, part, error)) from error
    if not _is(part, size, sha256):
        found = f"{_length(part)} bytes, SHA-256 {_digest(part)}"
        _forget(part)
        raise DownloadFailed(
            f"the file at {address} is not the expected one ({found} instead of {sha256 or f'{size} bytes'}); "
            "the download was deleted. The file has changed at its source, or the connection is being tampered with"
        )
    part.replace(path)
    _forget(part)


def _receive(address: str, part: Path, size: int | None, progress: Progress) -> None:
    """Download the missing rest of ``part``.

    Raises:
        urllib.error.HTTPError: the server refuses.
        OSError: the server cannot be reached, or the transfer was cut off.
    """
    here, tag = _length(part), _tag(part, address)
    if size is not None and here == size:
        return
    request = urllib.request.Request(address, headers={"User-Agent": "poise", "Accept-Encoding": "identity"})  # noqa: S310 - http and https alone
    if here and tag:
        request.add_header("Range", f"bytes={here}-")
        request.add_header("If-Range", tag)
    with closing(_opener().open(request, timeout=CONNECT_SECONDS)) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise DownloadFailed(f"{address} returned a web page instead of a file; open it in a browser")
        goes_on = answer.status == http.client.PARTIAL_CONTENT and _starts_at(answer.headers, here)
        here = here if goes_on else 0
        rest = answer.headers.get("Content-Length")
        total = size if rest is None else here + int(rest)
        if (total or 0) > MAX_BYTES:
            raise DownloadFailed(f"{address} has {total} bytes, more than the limit of {MAX_BYTES}")
        _remember(part, address, answer.headers.get("ETag") or answer.headers.get("Last-Modified"))
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                here += len(chunk)
                progress(here, total)
                if here > MAX_BYTES:
                    raise DownloadFailed(f"{address} has more than {MAX_BYTES} bytes, the limit")
        if total is not None and here < total:
            raise ConnectionError(f"cut off after {here} of {total} bytes")


class _Patient:
    """A short timeout for connecting, and a long one for reading."""

    sock: socket.socket

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock.settimeout(SILENT_SECONDS)


class _Http(_Patient, http.client.HTTPConnection):
    pass


class _Https(_Patient, http.client.HTTPSConnection):
    pass


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Http, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Https, req)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_HttpHandler, _HttpsHandler)


def _starts_at(headers: Any, here: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {here}-")


def _reason(address: str, part: Path, error: Exception) -> str:
    why = getattr(error, "reason", None) or error
    kept = f"; {_length(part)} bytes are kept, and the next try resumes there" if _length(part) else ""
    return f"{address} cannot be downloaded from here ({why}){kept}"


def _is(path: Path, size: int | None, sha256: str | None) -> bool:
    return (size is None or _length(path) == size) and (sha256 is None or _digest(path) == sha256)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _about(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _remember(part: Path, address: str, tag: str | None) -> None:
    """Store what later shows whether the server still has the same file."""
    with replacing(_about(part)) as partial:
        partial.write_text(json.dumps({"address": address, "tag": tag}))


def _tag(part: Path, address: str) -> str | None:
    """The server's tag of the file that ``part`` is the start of; ``None`` to start over."""
    try:
        about = json.loads(_about(part).read_text())
        tag = about["tag"] if about["address"] == address else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    # a weak tag promises nothing about bytes
    return tag if isinstance(tag, str) and not tag.startswith("W/") else None


def _forget(part: Path) -> None:
    for path in (part, _about(part)):
        path.unlink(missing_ok=True)
