"""Reading a multipart form while it streams in: bytes are counted as they come, and reading stops at the limit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.contracts.problems import BadRequest, PayloadTooLarge, Unprocessable, UnsupportedMedia

if TYPE_CHECKING:
    from starlette.requests import Request

IMAGE: Final = "image"
"""The field that holds the photo."""
OPTIONS: Final = ("format", "perturbation", "scores")
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


async def read_upload(request: Request, *, max_bytes: int) -> Upload:
    """Take the form out of ``request``.

    Raises:
        UnsupportedMedia: the body is no multipart form.
        PayloadTooLarge: the photo has more than ``max_bytes``, declared or counted.
        BadRequest: the form cannot be parsed.
        Unprocessable: a field is missing, unknown or there twice.
    """
    media_type, parameters = parse_options_header(request.headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    if media_type != b"multipart/form-data":
        raise UnsupportedMedia("Send the photo as multipart/form-data, in a field called `image`.")
    if not 0 < len(boundary) <= 256:
        raise BadRequest("The form has no usable boundary; let your HTTP client set the Content-Type.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes + _OVERHEAD:
        await _drain(request, 2 * max_bytes)
        raise _too_large(max_bytes)
    form = _Form(max_bytes)
    parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > max_bytes + _OVERHEAD:
                raise _too_large(max_bytes)
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise BadRequest("The form cannot be parsed; it may have been cut off on its way.") from None
    except PayloadTooLarge:
        await _drain(request, 2 * max_bytes)
        raise
    return form.upload()


async def _drain(request: Request, most: int) -> None:
    """Let the sender finish, within limits, so that it gets to read the answer; what comes is thrown away."""
    dropped = 0
    with suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                dropped += len(chunk)
                if dropped > most:
                    return


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"A photo may have at most {max_bytes / 1e6:g} MB. Scale it down and send it again.")


@dataclass(slots=True)
class _Form:
    """Collects what the parser calls out."""

    max_bytes: int
    values: dict[str, bytearray] = field(default_factory=dict)
    complete: bool = False
    _name: str = ""
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict)

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

    def upload(self) -> Upload:
        """What was collected, checked for what must be there."""
        if not self.complete:
            raise BadRequest("The form ends too early; it may have been cut off on its way.")
        if IMAGE not in self.values:
            raise Unprocessable("The form has no field called `image`; put the photo there.")
        image = bytes(self.values.pop(IMAGE))
        return Upload(image, {name: value.decode("utf-8", "replace") for name, value in self.values.items()})

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
        if self._name not in (IMAGE, *OPTIONS):
            raise Unprocessable(f"The form has an unknown field; known are `{IMAGE}`, {', '.join(OPTIONS)}.")
        if self._name in self.values:
            raise Unprocessable(f"The field `{self._name}` is there twice; send one photo at a time.")
        self.values[self._name] = bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        value = self.values[self._name]
        value += data[start:end]
        if self._name == IMAGE and len(value) > self.max_bytes:
            raise _too_large(self.max_bytes)
        if self._name != IMAGE and len(value) > _MAX_OPTION_BYTES:
            raise Unprocessable(f"The field `{self._name}` is too long.")

    def _end(self) -> None:
        self.complete = True
