"""Request bodies as they stream in: bytes are counted, reading stops at the limit, and forms arrive in parts."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, ClassVar, Final

from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.contracts.problems import BadRequest, PayloadTooLarge, Unavailable, UnsupportedMedia

if TYPE_CHECKING:
    from starlette.requests import Request

FORM: Final = b"multipart/form-data"

_OVERHEAD: Final = 65_536
"""Bytes that boundaries, headers and small fields may take besides the counted content."""
_MAX_HEADER_BYTES: Final = 16_384
_MAX_HEADERS: Final = 32
"""Of one part."""
_DRAIN_SECONDS: Final = 2.0


class Form(abc.ABC):
    """Takes the parts of a form, one after the other. blocking: whether that may take long, like writing to disk."""

    blocking: ClassVar[bool] = False

    def __init__(self) -> None:
        self.complete = False
        """Whether the form has come to its proper end."""
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""

    @abc.abstractmethod
    def begin(self, name: str) -> None:
        """Begin a part called ``name``. Raises a problem if no part is expected."""

    @abc.abstractmethod
    def take(self, data: bytes) -> None:
        """The next bytes of this part. Raises a problem if they are too many."""

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": lambda data, start, end: self._add(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._parts += 1
        self._disposition = b""
        self._header.clear()
        self._value.clear()

    def _add(self, to: bytearray, data: bytes) -> None:
        to += data
        if len(to) > _MAX_HEADER_BYTES:
            raise BadRequest("A header in the form is too long.")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        if self._in_preamble:
            return
        disposition, parameters = parse_options_header(self._disposition)
        if disposition != b"form-data" or b"name" not in parameters:
            raise BadRequest("A part of the form has no name.")
        self.begin(parameters[b"name"].decode("utf-8", "replace"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_preamble:
            self.take(data[start:end])

    @property
    def _in_preamble(self) -> bool:
        return self._parts == 1

    def _end(self) -> None:
        self.complete = True


def parser_of(form: Form, boundary: bytes) -> MultipartParser:
    """A parser that feeds ``form``.

    Anything before the first boundary must be skipped (RFC 2046, section 5.1.1). The parser does not do that, so it
    gets an artificial part that ends there.
    """
    limits = {"max_header_count": _MAX_HEADERS, "max_header_size": _MAX_HEADER_BYTES}
    parser = MultipartParser(boundary, form.callbacks(), **limits)  # type: ignore[arg-type]
    parser.write(b"--" + boundary + b"\r\n\r\n\r\n")
    return parser


def is_form(request: Request) -> bool:
    """Whether the body is declared to be a form with parts."""
    return parse_options_header(request.headers.get("content-type"))[0] == FORM


async def read_form(request: Request, form: Form, *, most: int, refusal: PayloadTooLarge) -> None:
    """Feed the body to ``form``; ``refusal`` if it has more than ``most`` bytes besides what a form needs.

    Raises:
        UnsupportedMedia: the body is compressed.
        PayloadTooLarge: ``refusal``, or one of the form's own.
        BadRequest: the form cannot be parsed, or was cut off.
    """
    _, parameters = parse_options_header(request.headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    if not 0 < len(boundary) <= 256:
        raise BadRequest("The form has no usable boundary. Let your HTTP client set the Content-Type.")
    parser = parser_of(form, boundary)
    try:
        async for chunk in read_body(request, most=most, refusal=refusal):
            if form.blocking:
                await run_in_threadpool(parser.write, chunk)
            else:
                parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise BadRequest("The form cannot be parsed. It may have been cut off in transit.") from None
    if not form.complete:
        raise BadRequest("The form ends too early. It may have been cut off in transit.")


def check_coding(request: Request) -> None:
    """Make sure that a body is sent as it is.

    Raises:
        UnsupportedMedia: its sender has compressed it. The answer names what is accepted (RFC 9110, section 15.5.16).
    """
    codings = {coding.strip().lower() for coding in ",".join(request.headers.getlist("content-encoding")).split(",")}
    if codings - {"", "identity"}:
        raise UnsupportedMedia(
            "A compressed body is not accepted. Send it as it is, without `Content-Encoding`.",
            headers={"Accept-Encoding": "identity"},
        )


async def read_body(request: Request, *, most: int, refusal: PayloadTooLarge) -> AsyncIterator[bytes]:
    """The body, piece by piece; ``refusal`` if it has, or declares, more than ``most`` bytes and a little.

    Raises:
        UnsupportedMedia: it is compressed.
    """
    check_coding(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most + _OVERHEAD:
        raise refusal
    received = 0
    request.state.body_wanted = True
    async for chunk in request.stream():
        received += len(chunk)
        if received > most + _OVERHEAD:
            raise refusal
        yield chunk


@asynccontextmanager
async def draining(request: Request, most: int) -> AsyncIterator[None]:
    """If the block refuses a body for its size or kind, let the sender finish, so that it can read the answer."""
    try:
        yield
    except (PayloadTooLarge, Unavailable, UnsupportedMedia):
        await drain(request, most)
        raise


async def drain(request: Request, most: int) -> None:
    """Discard up to ``most`` of the bytes still to come, for a moment at most.

    A client that asked before sending (``Expect``) gets its answer first: reading would tell it to continue.
    """
    if "expect" in request.headers and not getattr(request.state, "body_wanted", False):
        return
    dropped = 0
    with suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                dropped += len(chunk)
                if dropped > most:
                    return
