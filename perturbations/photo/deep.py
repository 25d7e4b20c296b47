"""Pictures of 16 bits a channel. They are protected in 8 bits like all others, and what lies below is put back.

A picture is changed by whole steps of 8 bits. The copy is what was stored plus these steps: finer shades stay, and
where nothing was changed the copy is the same to the last bit.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from perturbations.photo.bands import bands

DeepArray = npt.NDArray[np.uint16]
"""What was stored, ``[H, W, 3]``, ``[H, W, 4]`` with opacity, or ``[H, W]`` of a grey picture."""

_SIGNATURE_AND_HEAD: Final = 33
_LEVEL: Final = 3


def colours_of(png: bytes, channels: int) -> DeepArray | None:
    """The 3 or 4 channels of a PNG of 16 bits in RGB or RGBA; ``None`` if they cannot be read."""
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3 or found.shape[2] < channels:
        return None
    for rows in bands(*found.shape[:2]):
        found[rows, :, :3] = found[rows, :, 2::-1].copy()
    return np.asarray(found[:, :, :channels], np.uint16)


def oriented(deep: DeepArray, orientation: int) -> DeepArray:
    """``deep`` the right way up, as :func:`perturbations.photo.orientation.turned` turns a picture."""
    flipped = {
        2: deep[:, ::-1],
        3: deep[::-1, ::-1],
        4: deep[::-1],
        5: deep.swapaxes(0, 1),
        6: np.rot90(deep, -1),
        7: deep[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(deep),
    }
    return flipped.get(orientation, deep)


def written(image: Image.Image, deep: DeepArray, icc: bytes | None, chunks: bytes) -> bytes:
    """A PNG of 16 bits: ``deep`` changed as its 8 bits, ``image``, were. chunks: more to write before the pixels.

    Raises:
        ValueError: it cannot be encoded.
    """
    channels = len(image.getbands())
    out = np.empty((image.height, image.width, 4 if image.mode == "LA" else channels), np.uint16)
    for rows in bands(image.height, image.width):
        now = np.asarray(image.crop((0, rows.start, image.width, rows.stop))).astype(np.int32)
        now = now.reshape(*now.shape[:2], -1)
        before = deep[rows].astype(np.int32).reshape(*now.shape[:2], -1)[:, :, :channels]
        # 8 bits of a grey picture are the nearest, those of colours the upper ones
        steps, factor = ((before + 128) // 257, 257) if deep.ndim == 2 else (before >> 8, 256)
        known = before.shape[2]
        opacity = channels in (2, 4) and known != channels  # made of one clear colour, not stored
        changed = before + factor * (now[:, :, :known] - steps)
        out[rows, :, : out.shape[2] - opacity] = changed.clip(0, 65535)
        if opacity:
            out[rows, :, -1] = now[:, :, -1] * 257
    if out.shape[2] >= 3:
        out[:, :, :3] = out[:, :, 2::-1].copy()
    options = [cv2.IMWRITE_PNG_COMPRESSION, _LEVEL, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
    done, data = cv2.imencode(".png", out, options)
    if not done:
        raise ValueError("no PNG came of it")
    profile = b"" if icc is None else chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    plain = data.tobytes()
    return plain[:_SIGNATURE_AND_HEAD] + profile + chunks + plain[_SIGNATURE_AND_HEAD:]


def behind_head(png: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG with more chunks, kinds and bodies, in front of all others but the first."""
    added = b"".join(chunk(kind, body) for kind, body in more)
    return png[:_SIGNATURE_AND_HEAD] + added + png[_SIGNATURE_AND_HEAD:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
