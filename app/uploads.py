"""Reading a multipart form while it streams in: bytes are counted as they come, and reading stops at the limit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.contracts.problems import BadRequest, PayloadTooLarge, Unprocessable, UnsupportedMedia

if TYPE_CHECKING:
    from starlette.requests import Request

IMAGE: Final = "image"
"""The field that holds the photo."""
IMAGES: Final = "images"
"""The field that holds a photo of a batch, and is there once for each."""
OPTIONS: Final = ("format", "perturbation", "previews", "scores")
"""The fields beside it."""

_MAX_OPTION_BYTES: Final = 200
_MAX_HEADER_BYTES: Final = 8_192
_OVERHEAD: Final = 65_536
"""What boundaries, headers and options may take beside the photo."""
_DRAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A parsed form: the photo's bytes, and the options as they were written."""

    image: bytes
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class BatchUpload:
    """A parsed form of several photos: their bytes, ``None`` for each that is too large, and the options."""

    images: list[bytes | None]
    options: dict[str, str]


async def read_upload(request: Request, *, max_bytes: int) -> Upload:
    """Take the form with one photo out of ``request``.

    Raises:
        UnsupportedMedia: the body is no multipart form.
        PayloadTooLarge: the photo has more than ``max_bytes``, declared or counted.
        BadRequest: the form cannot be parsed.
        Unprocessable: a field is missing, unknown or there twice.
    """
    form = _Form(IMAGE, max_bytes=max_bytes, max_photos=1)
    await _parse(request, form, most=max_bytes, refusal=too_large(max_bytes))
    form.check()
    (image,) = form.photos
    return Upload(bytes(image), form.options())


async def read_batch(request: Request, *, max_bytes: int, max_total: int, max_photos: int) -> BatchUpload:
    """Take the form with up to ``max_photos`` photos out of ``request``; one that is too large spoils no other.

    Raises:
        UnsupportedMedia: the body is no multipart form.
        PayloadTooLarge: the whole body has more than ``max_total`` bytes, declared or counted.
        BadRequest: the form cannot be parsed.
        Unprocessable: a field is missing, unknown or there twice; too many photos.
    """
    form = _Form(IMAGES, max_bytes=max_bytes, max_photos=max_photos)
    refusal = PayloadTooLarge(f"A batch may have at most {max_total / 1e6:g} MB. Send fewer photos at a time.")
    await _parse(request, form, most=max_total, refusal=refusal)
    form.check()
    images = [None if len(photo) > max_bytes else bytes(photo) for photo in form.photos]
    return BatchUpload(images, form.options())


def too_large(max_bytes: int) -> PayloadTooLarge:
    """The problem of a photo of more than ``max_bytes``."""
    return PayloadTooLarge(f"A photo may have at most {max_bytes / 1e6:g} MB. Scale it down and send it again.")


async def _parse(request: Request, form: _Form, *, most: int, refusal: PayloadTooLarge) -> None:
    """Feed the body to ``form``; ``refusal`` where it has more than ``most`` bytes beside what a form needs."""
    media_type, parameters = parse_options_header(request.headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    if media_type != b"multipart/form-data":
        raise UnsupportedMedia(f"Send the photo as multipart/form-data, in a field called `{form.field}`.")
    if not 0 < len(boundary) <= 256:
        raise BadRequest("The form has no usable boundary; let your HTTP client set the Content-Type.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most + _OVERHEAD:
        await drain(request, 2 * most)
        raise refusal
    parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > most + _OVERHEAD:
                raise refusal
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise BadRequest("The form cannot be parsed; it may have been cut off on its way.") from None
    except PayloadTooLarge:
        await drain(request, 2 * most)
        raise


async def drain(request: Request, most: int) -> None:
    """Let the sender finish, within limits, so that it gets to read the answer; what comes is thrown away."""
    dropped = 0
    with suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                dropped += len(chunk)
                if dropped > most:
                    return


@dataclass(slots=True)
class _Form:
    """Collects what the parser calls out. field: what a photo is called."""

    field: str
    max_bytes: int
    max_photos: int
    photos: list[bytearray] = dataclass_field(default_factory=list)
    values: dict[str, bytearray] = dataclass_field(default_factory=dict)
    complete: bool = False
    _current: bytearray = dataclass_field(default_factory=bytearray)
    _name: str = ""
    _header: bytearray = dataclass_field(default_factory=bytearray)
    _value: bytearray = dataclass_field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = dataclass_field(default_factory=dict)

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": lambda data, start, end: self._add_header(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }

    def check(self) -> None:
        """Raise a problem where something that must be there is not."""
        if not self.complete:
            raise BadRequest("The form ends too early; it may have been cut off on its way.")
        if not self.photos:
            raise Unprocessable(f"The form has no field called `{self.field}`; put the photo there.")

    def options(self) -> dict[str, str]:
        """Everything but photos, as text."""
        return {name: value.decode("utf-8", "replace") for name, value in self.values.items()}

    def _part_begin(self) -> None:
        self._headers = {}
        self._header.clear()
        self._value.clear()

    def _add_header(self, to: bytearray, data: bytes) -> None:
        to += data
        if len(to) > _MAX_HEADER_BYTES:
            raise BadRequest("A part of the form has too long a header.")

    def _header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        disposition, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in parameters:
            raise BadRequest("A part of the form has no name.")
        self._name = parameters[b"name"].decode("utf-8", "replace")
        if self._name not in (self.field, *OPTIONS):
            raise Unprocessable(f"The form has an unknown field; known are `{self.field}`, {', '.join(OPTIONS)}.")
        self._current = bytearray()
        if self._name != self.field:
            if self._name in self.values:
                raise Unprocessable(f"The field `{self._name}` is there twice; send it once.")
            self.values[self._name] = self._current
            return
        self.photos.append(self._current)
        if len(self.photos) > self.max_photos:
            raise Unprocessable(
                f"The field `{self.field}` is there twice; send one photo at a time, or a batch."
                if self.max_photos == 1
                else f"A batch may have at most {self.max_photos} photos; send the others in another one."
            )

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name != self.field:
            self._current += data[start:end]
            if len(self._current) > _MAX_OPTION_BYTES:
                raise Unprocessable(f"The field `{self._name}` is too long.")
        elif len(self._current) <= self.max_bytes:  # of a photo that is too large nothing more is kept
            self._current += data[start:end]
            if len(self._current) > self.max_bytes:
                if self.max_photos == 1:
                    raise too_large(self.max_bytes)
                del self._current[self.max_bytes + 1 :]

    def _end(self) -> None:
        self.complete = True
