"""HEIC files (ISO/IEC 23008-12 with pictures of ITU-T H.265), decoded by libheif through pillow-heif."""

from __future__ import annotations

import io
from functools import partial

from PIL import Image

from perturbations.errors import BadImage
from perturbations.photo.avif import hdr_of, profile_of
from perturbations.photo.depth import bits_of
from perturbations.photo.hevc import Heic, Odd, heic_of, size_of
from perturbations.photo.intricacy import boxes
from perturbations.photo.items import credit_in
from perturbations.photo.stored import Stored


def read(data: bytes) -> Stored:
    """The picture of a HEIC that is shown first. The decoder turns and crops it as the container says.

    Raises:
        BadImage: it is not what cameras write.
    """
    try:
        heic = heic_of(data, boxes(data))
        described = [heic.primary, *heic.coded(heic.primary)[:1]]
    except Odd as error:
        raise BadImage(f"the HEIC {error}") from None
    properties = [_bodies(data, heic, item) for item in described]
    icc = next((profile for profile in map(profile_of, properties) if profile is not None), None)
    size = size_of(data, heic)
    bits = max(map(bits_of, properties))
    hdr = next((chunks for chunks in map(hdr_of, properties) if chunks), ())
    load = partial(_load, data, size)
    return Stored("heic", load, size, icc=icc, bits=bits, credit=credit_in(data, heic), hdr=hdr)


def _bodies(data: bytes, heic: Heic, item: int) -> list[tuple[bytes, bytes]]:
    return [(kind, data[begin:end]) for kind, begin, end in heic.boxes.get(item, [])]


def _load(data: bytes, size: tuple[int, int] | None) -> Image.Image:
    import pillow_heif  # noqa: PLC0415 - optional, and only where it is needed

    options = pillow_heif.options
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    picture = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    shown = picture[picture.primary_index]
    pixels = shown.data  # which also settles size and mode
    if size not in (shown.size, shown.size[::-1]):
        raise BadImage("the HEIC is damaged: its description contradicts itself; export it again")
    if shown.mode == "RGBa":
        return Image.frombytes("RGBa", shown.size, pixels, "raw", "RGBa", shown.stride).convert("RGBA")
    mode = {"I;16": "I;16", "L": "L"}.get(shown.mode, shown.mode)
    return Image.frombytes(mode, shown.size, pixels, "raw", mode, shown.stride)
