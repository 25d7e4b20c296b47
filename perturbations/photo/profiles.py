"""ICC profiles (ICC.1:2022): stripping and making them."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
import numpy.typing as npt

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""x and y of red, green, blue and white."""

_HEADER: Final = 128
_NAMED: Final = (b"desc", b"cprt")
_KEPT: Final = frozenset(
    (
        *_NAMED,
        *(b"wtpt", b"bkpt", b"chad", b"chrm", b"cicp", b"lumi", b"gamt"),
        *(b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC"),
        *(kind + number for kind in (b"A2B", b"B2A") for number in (b"0", b"1", b"2")),
        *(kind + number for kind in (b"D2B", b"B2D") for number in (b"0", b"1", b"2", b"3")),
    )
)
"""Tags a profile needs, or that describe colours. Others can identify people: serial numbers, settings, software."""
_MOST_TAGS: Final = 200
_LONGEST_NAME: Final = 1000
"""Bytes. A longer description or copyright is replaced."""
_D50: Final = (0.9642, 1.0, 0.8249)
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def stripped(icc: bytes) -> bytes | None:
    """A profile without anything but colours; unchanged if there is nothing else. ``None``: not a profile.

    If it is changed, the fields for the device's maker and model are emptied too.
    """
    tags = _tags(icc)
    if tags is None:
        return None
    kept = {name: icc[at : at + size] for name, at, size in tags if name in _KEPT}
    long = [name for name in _NAMED if len(kept.get(name, b"")) > _LONGEST_NAME]
    places = {(at, size) for _, at, size in tags}
    room = _HEADER + 4 + 12 * len(tags) + sum(size + -size % 4 for _, size in places)
    # nothing to take away, and no gap that could hold anything
    if len(kept) == len(tags) and not long and len(icc) <= room:
        return icc
    kept.update((name, _text(name, icc[8])) for name in long)
    return _assembled(icc[:48] + bytes(8) + icc[56:80] + bytes(_HEADER - 80), kept)


def matrix_profile(chromaticities: Chromaticities, curve: bytes) -> bytes:
    """A display profile of RGB with these primaries, and ``curve`` for each channel.

    Raises:
        ZeroDivisionError, LinAlgError, ValueError: the primaries span nothing.
    """
    *primaries, (x, y) = chromaticities
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    columns = np.array([[x, y, 1 - x - y] for x, y in primaries]).T
    columns = columns * np.linalg.solve(columns, white)
    adapt = _adaptation(white)
    columns = adapt @ columns
    if not np.isfinite(columns).all() or np.abs(columns).max() > 4:
        raise ValueError("the primaries span nothing")
    tags = {
        **{name: _text(name, 4) for name in _NAMED},
        b"wtpt": _xyz(np.array(_D50)),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt),
        **{name: _xyz(columns[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    head = b"".join(
        (bytes(8), b"\4\x30\0\0", b"mntrRGB XYZ ", struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", bytes(28))
    )
    return _assembled(head + _fixed(np.array(_D50)) + bytes(48), tags)


def srgb_curve() -> bytes:
    """sRGB's (IEC 61966-2-1), as a parametric curve."""
    return b"para\0\0\0\0\0\3\0\0" + _fixed(np.array([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]))


def gamma_curve(exponent: float) -> bytes:
    """A power."""
    return b"para\0\0\0\0\0\0\0\0" + _fixed(np.array([exponent]))


def table_curve(values: npt.NDArray[np.float64]) -> bytes:
    """From 0 to 1, at even distances."""
    steps = (values.clip(0, 1) * 65535).round().astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(steps)) + steps.tobytes()


def _tags(icc: bytes) -> list[tuple[bytes, int, int]] | None:
    """Name, place and size of each; ``None`` if this is not a profile."""
    if len(icc) < _HEADER + 4 or icc[36:40] != b"acsp":
        return None
    count = int.from_bytes(icc[_HEADER : _HEADER + 4], "big")
    if count > _MOST_TAGS or len(icc) < _HEADER + 4 + 12 * count:
        return None
    found = []
    for i in range(count):
        name, at, size = struct.unpack_from(">4sII", icc, _HEADER + 4 + 12 * i)
        if at + size > len(icc):
            return None
        found.append((name, at, size))
    return found


def _assembled(head: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A whole profile; tags of the same content share it."""
    places: dict[bytes, int] = {}
    table, body, start = b"", b"", _HEADER + 4 + 12 * len(tags)
    for name, content in tags.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", places[content], len(content))
    return struct.pack(">I", start + len(body)) + head[4:] + struct.pack(">I", len(tags)) + table + body


def _text(name: bytes, version: int) -> bytes:
    """A neutral description or copyright."""
    plain = "RGB" if name == b"desc" else "None"
    if version >= 4:
        wide = plain.encode("utf-16-be")
        return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(wide), 28) + wide
    if name == b"cprt":
        return b"text\0\0\0\0" + plain.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(plain) + 1) + plain.encode() + b"\0" + bytes(78)


def _adaptation(white: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From ``white`` to the profile connection space's (Bradford)."""
    scale = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    adapted: npt.NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD
    return adapted


def _xyz(value: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(value)


def _fixed(values: npt.NDArray[np.float64]) -> bytes:
    """As s15Fixed16Number."""
    return (values * 65536).round().astype(">i4").tobytes()
