"""The forms that photos arrive in: which fields they have, and how large each may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.contracts.boxes import MAX_TEXT
from app.contracts.problems import PayloadTooLarge, Unprocessable, UnsupportedMedia
from app.guards.forms import Form, draining, is_form, read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from app.guards.admission import Share

IMAGE: Final = "image"
"""The field that holds the photo."""
IMAGES: Final = "images"
"""The field that holds a photo of a batch, once for each photo."""
OPTIONS: Final = ("format", "perturbation", "previews", "scores", "strength")
"""The fields beside either."""
OF_ONE: Final = ("faces",)
"""Fields that make sense for a single photo only."""

_MAX_OPTION_BYTES: Final = 200


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


async def read_upload(request: Request, share: Share, *, max_bytes: int) -> Upload:
    """Take the form with one photo out of ``request``, which holds it in its ``share`` of the memory.

    Raises:
        UnsupportedMedia: the body is not a multipart form, or is compressed.
        PayloadTooLarge: the photo has more than ``max_bytes``, declared or counted.
        BadRequest: the form cannot be parsed.
        Unprocessable: a field is missing, unknown or duplicate.
        Unavailable: there is not enough memory for it.
    """
    form = _Photos(IMAGE, share, max_bytes=max_bytes, max_photos=1)
    await _read(request, form, most=max_bytes, refusal=too_large(max_bytes))
    (image,) = form.photos
    return Upload(bytes(image), form.options())


async def read_batch(request: Request, share: Share, *, max_bytes: int, max_total: int, max_photos: int) -> BatchUpload:
    """Take the form with up to ``max_photos`` photos out of ``request``; one too large leaves the others alone.

    Raises:
        UnsupportedMedia: the body is not a multipart form, or is compressed.
        PayloadTooLarge: the whole body has more than ``max_total`` bytes, declared or counted.
        BadRequest: the form cannot be parsed.
        Unprocessable: a field is missing, unknown or duplicate; too many photos.
        Unavailable: there is no room for them.
    """
    form = _Photos(IMAGES, share, max_bytes=max_bytes, max_photos=max_photos)
    refusal = PayloadTooLarge(f"A batch can have at most {max_total / 1e6:g} MB. Send fewer photos at a time.")
    await _read(request, form, most=max_total, refusal=refusal)
    images = [None if len(photo) > max_bytes else bytes(photo) for photo in form.photos]
    return BatchUpload(images, form.options())


def too_large(max_bytes: int) -> PayloadTooLarge:
    """The problem of a photo of more than ``max_bytes``."""
    return PayloadTooLarge(f"A photo can have at most {max_bytes / 1e6:g} MB. Scale it down and send it again.")


async def _read(request: Request, form: _Photos, *, most: int, refusal: PayloadTooLarge) -> None:
    """Feed the body to ``form``, which must have a photo then."""
    async with draining(request, 2 * most):
        if not is_form(request):
            raise UnsupportedMedia(f"Send the photo as multipart/form-data, in a field called `{form.field}`.")
        await read_form(request, form, most=most, refusal=refusal)
    if not form.photos:
        raise Unprocessable(f"The form has no field called `{form.field}`; put the photo in it.")


class _Photos(Form):
    """Keeps photos and options in memory. field: the name of a photo's field."""

    def __init__(self, field: str, share: Share, *, max_bytes: int, max_photos: int) -> None:
        super().__init__()
        self.field = field
        self._share = share
        self.photos: list[bytearray] = []
        self._max_bytes = max_bytes
        self._max_photos = max_photos
        self._known = OPTIONS if field == IMAGES else tuple(sorted((*OPTIONS, *OF_ONE)))
        self._values: dict[str, bytearray] = {}
        self._name = ""
        self._current = bytearray()

    def options(self) -> dict[str, str]:
        """Everything but photos, as text, without empty fields: a browser sends every field of a form."""
        return {name: value.decode("utf-8", "replace") for name, value in self._values.items() if value}

    def begin(self, name: str) -> None:
        """Make room for a photo or an option."""
        if name not in (self.field, *self._known):
            raise Unprocessable(f"The form has an unknown field; known are `{self.field}`, {', '.join(self._known)}.")
        self._name, self._current = name, bytearray()
        if name != self.field:
            if name in self._values:
                raise Unprocessable(f"The field `{name}` appears twice. Send it once.")
            self._values[name] = self._current
            return
        if len(self.photos) == self._max_photos:
            raise Unprocessable(
                f"The field `{self.field}` appears twice. Send one photo at a time, or a batch."
                if self._max_photos == 1
                else f"A batch can have at most {self._max_photos} photos. Send the others in another one."
            )
        self.photos.append(self._current)

    def take(self, data: bytes) -> None:
        """Keep the bytes; of a photo that is too large, only as many as show that."""
        if self._name != self.field:
            self._current += data
            if len(self._current) > (MAX_TEXT if self._name in OF_ONE else _MAX_OPTION_BYTES):
                raise Unprocessable(f"The field `{self._name}` is too long.")
        elif len(self._current) <= self._max_bytes:
            self._share.take(len(data))
            self._current += data
            if len(self._current) > self._max_bytes:
                if self._max_photos == 1:
                    raise too_large(self._max_bytes)
                del self._current[self._max_bytes + 1 :]
