"""Bodies of administrators' requests: small JSON documents, and files that go to disk while they stream in."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.contracts.problems import BadRequest, PayloadTooLarge, Unprocessable, UnsupportedMedia
from app.uploads import drain

if TYPE_CHECKING:
    from starlette.requests import Request

FILE: Final = "file"
NAME: Final = "name"

_MAX_JSON_BYTES: Final = 65_536
_MAX_NAME_BYTES: Final = 200
_OVERHEAD: Final = 65_536
_FORGOTTEN_SECONDS: Final = 6 * 3600
"""Uploads older than this were left by a process that was killed."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived, until the block it was received in ends. name: as the sender calls it."""

    path: Path
    sha256: str
    name: str | None


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as ``model``; no body is an empty document.

    Raises:
        UnsupportedMedia: it is declared to be something else.
        PayloadTooLarge: it is no small document.
        Unprocessable: it does not fit; the message says where, and never repeats a value.
    """
    media_type, _ = parse_options_header(request.headers.get("content-type"))
    if media_type not in (b"", b"application/json"):
        raise UnsupportedMedia("Send a JSON document, as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON_BYTES:
            raise PayloadTooLarge(f"The document may have at most {_MAX_JSON_BYTES} bytes.")
    try:
        return model.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()[:5])
        raise Unprocessable("; ".join(wrong)) from None


@asynccontextmanager
async def received(request: Request, folder: Path, *, max_bytes: int, name: str | None) -> AsyncIterator[Received]:
    """A file on disk: the body as it is, called ``name``, or the field ``file`` of a form beside a field ``name``.

    Raises:
        PayloadTooLarge: the file has more than ``max_bytes``, declared or counted.
        BadRequest: the form cannot be parsed, or was cut off.
        Unprocessable: there is no file, or a field is unknown.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes + _OVERHEAD:
        await drain(request, max_bytes)
        raise _too_large(max_bytes)
    await run_in_threadpool(_prepare, folder)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as file:
        sink = _Sink(file.file, max_bytes, name=name)
        try:
            await _read(request, sink)
        except PayloadTooLarge:
            await drain(request, max_bytes)
            raise
        if not sink.size:
            raise Unprocessable(f"There is no file; send it as the body, or in a form's field called `{FILE}`.")
        file.flush()
        yield Received(Path(file.name), sink.digest.hexdigest(), sink.name)


async def _read(request: Request, sink: _Sink) -> None:
    media_type, parameters = parse_options_header(request.headers.get("content-type"))
    if media_type == b"multipart/form-data":
        await _parse(request, sink, parameters.get(b"boundary", b""))
        return
    async for chunk in request.stream():
        await run_in_threadpool(sink.write, chunk)


async def _parse(request: Request, sink: _Sink, boundary: bytes) -> None:
    if not 0 < len(boundary) <= 256:
        raise BadRequest("The form has no usable boundary; let your HTTP client set the Content-Type.")
    parser = MultipartParser(boundary, sink.callbacks())  # type: ignore[arg-type]
    try:
        async for chunk in request.stream():
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
    except FormParserError:
        raise BadRequest("The form cannot be parsed; it may have been cut off on its way.") from None
    if not sink.complete:
        raise BadRequest("The form ends too early; it may have been cut off on its way.")


@dataclass(slots=True)
class _Sink:
    """Takes bytes, and what the form's parser calls out."""

    file: IO[bytes]
    max_bytes: int
    name: str | None
    size: int = 0
    complete: bool = False
    digest: Any = field(default_factory=hashlib.sha256)
    _field: str = ""
    _text: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def write(self, data: bytes) -> None:
        """Append to the file."""
        self.size += len(data)
        if self.size > self.max_bytes:
            raise _too_large(self.max_bytes)
        self.digest.update(data)
        self.file.write(data)

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": lambda data, start, end: self._add(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._disposition = b""
        for buffer in (self._header, self._value, self._text):
            buffer.clear()

    def _add(self, to: bytearray, data: bytes) -> None:
        to += data
        if len(to) > _OVERHEAD // 8:
            raise BadRequest("A part of the form has too long a header.")

    def _header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        self._field = parameters.get(b"name", b"").decode("utf-8", "replace")
        if self._field not in (FILE, NAME):
            raise Unprocessable(f"The form has an unknown field; known are `{FILE}` and `{NAME}`.")
        if self._field == FILE and self.size:
            raise Unprocessable(f"The field `{FILE}` is there twice; send one file at a time.")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field == FILE:
            self.write(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _MAX_NAME_BYTES:
            raise Unprocessable(f"The field `{NAME}` is too long.")

    def _part_end(self) -> None:
        if self._field == NAME:
            self.name = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self.complete = True


def _prepare(folder: Path) -> None:
    """Make the folder, and remove what nobody writes to any more."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - _FORGOTTEN_SECONDS
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The file may have at most {max_bytes / 1e6:g} MB.")
