"""Bodies of administration requests: small JSON documents, and files that are written to disk as they stream in."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header

from app.contracts.problems import PayloadTooLarge, Unprocessable, UnsupportedMedia
from app.guards.forms import Form, check_coding, draining, is_form, read_body, read_form

if TYPE_CHECKING:
    from starlette.requests import Request

FILE: Final = "file"
NAME: Final = "name"

_MAX_JSON_BYTES: Final = 65_536
_MAX_NAME_BYTES: Final = 200
_MAX_FIELD_BYTES: Final = 65_536
"""Bytes of a field that is neither the file nor its name."""
_BINARY: Final = {"type": "string", "format": "binary"}
_DESCRIPTORS: Final = Path("/proc/self/fd")
"""Linux lists this process's open files here."""
_FORGOTTEN_SECONDS: Final = 6 * 3600
"""Uploads older than this were left by a process that was killed."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived, until the block it was received in ends.

    name: given by the sender. fields: the other fields of a form, with all their values.
    """

    path: Path
    sha256: str
    name: str | None
    fields: Mapping[str, list[str]]


def file_body(media_type: str, also: Collection[str] = ()) -> dict[str, Any]:
    """How the OpenAPI document describes an uploaded file: as the body, or in a form, beside the fields of ``also``."""
    texts = {name: {"type": "string"} for name in (NAME, *also)}
    form = {"type": "object", "required": [FILE], "properties": {FILE: _BINARY, **texts}}
    content = {media_type: {"schema": _BINARY}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as ``model``; no body is an empty document.

    Raises:
        UnsupportedMedia: it is declared to be something else, or is compressed.
        PayloadTooLarge: the document is too large.
        Unprocessable: it is invalid; the message says where, and never repeats a value.
    """
    media_type, _ = parse_options_header(request.headers.get("content-type"))
    if media_type not in (b"", b"application/json"):
        raise UnsupportedMedia("Send a JSON document, as application/json.")
    check_coding(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON_BYTES:
            raise PayloadTooLarge(f"The document can have at most {_MAX_JSON_BYTES} bytes.")
    try:
        return model.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        raise _misfit(error) from None


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """``fields`` as ``model``.

    Raises:
        Unprocessable: they are invalid; the message says where, and never repeats a value.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _misfit(error) from None


def _misfit(error: ValidationError) -> Unprocessable:
    wrong = (f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()[:5])
    return Unprocessable("; ".join(wrong))


@asynccontextmanager
async def received(
    request: Request, folder: Path, *, max_bytes: int, name: str | None, also: Collection[str] = ()
) -> AsyncIterator[Received]:
    """A file on disk: the body as it is, called ``name``, or the field ``file`` of a form beside a field ``name``.

    also: the other fields a form may have.

    Raises:
        UnsupportedMedia: the body is compressed.
        PayloadTooLarge: the file has more than ``max_bytes``, declared or counted.
        BadRequest: the form cannot be parsed, or was cut off.
        Unprocessable: there is no file, or a field is unknown.
    """
    await run_in_threadpool(_prepare, folder)
    with _growing(folder) as (file, path):
        sink = _Sink(file, max_bytes, name=name, also=also)
        async with draining(request, max_bytes):
            await _read(request, sink, most=max_bytes)
        if not sink.size:
            raise Unprocessable(f"There is no file. Send it as the body, or in a form field called `{FILE}`.")
        file.flush()
        yield Received(path, sink.digest.hexdigest(), sink.name, sink.fields)


async def _read(request: Request, sink: _Sink, *, most: int) -> None:
    refusal = _too_large(most)
    if is_form(request):
        await read_form(request, sink, most=most, refusal=refusal)
        return
    async for chunk in read_body(request, most=most, refusal=refusal):
        await run_in_threadpool(sink.write, chunk)


class _Sink(Form):
    """Writes one file to disk, as the body or as a form's field. name: of the file, unless the form has another."""

    blocking: ClassVar[bool] = True

    def __init__(self, file: IO[bytes], max_bytes: int, *, name: str | None, also: Collection[str]) -> None:
        super().__init__()
        self.size = 0
        self.digest = hashlib.sha256()
        self._file = file
        self._max_bytes = max_bytes
        self._given = name
        self._known = (FILE, NAME, *also)
        self._texts: dict[str, list[bytearray]] = {}
        self._field = FILE

    @property
    def name(self) -> str | None:
        """The name the sender gave the file; an empty name counts as none."""
        sent = self._texts.get(NAME)
        return sent[-1].decode("utf-8", "replace") if sent and sent[-1] else self._given

    @property
    def fields(self) -> dict[str, list[str]]:
        """The other fields."""
        others = ((name, texts) for name, texts in self._texts.items() if name != NAME)
        return {name: [text.decode("utf-8", "replace") for text in texts] for name, texts in others}

    def write(self, data: bytes) -> None:
        """Append to the file."""
        self.size += len(data)
        if self.size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self.digest.update(data)
        self._file.write(data)

    def begin(self, name: str) -> None:
        """Begin the file or a known field."""
        if name not in self._known:
            *others, last = (f"`{known}`" for known in self._known)
            raise Unprocessable(f"The form has an unknown field; known are {', '.join(others)} and {last}.")
        if name == FILE and self.size:
            raise Unprocessable(f"The field `{FILE}` appears twice. Send one file at a time.")
        self._field = name
        if name != FILE:
            self._texts.setdefault(name, []).append(bytearray())

    def take(self, data: bytes) -> None:
        """Append to the file or to a field's text."""
        if self._field == FILE:
            self.write(data)
            return
        self._texts[self._field][-1] += data
        texts = self._texts[self._field][-1:] if self._field == NAME else self._texts[self._field]
        if sum(map(len, texts)) > (_MAX_NAME_BYTES if self._field == NAME else _MAX_FIELD_BYTES):
            raise Unprocessable(f"The field `{self._field}` is too long.")


@contextmanager
def _growing(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file and a path to it: without a name if possible, so that a killed process leaves none behind."""
    if _DESCRIPTORS.is_dir():
        with tempfile.TemporaryFile(dir=folder) as nameless:
            yield nameless, _DESCRIPTORS / str(nameless.fileno())
    else:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as named:
            yield named.file, Path(named.name)


def _prepare(folder: Path) -> None:
    """Create the folder, and remove files that are no longer written to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - _FORGOTTEN_SECONDS
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The file can have at most {max_bytes / 1e6:g} MB.")
