"""What AVIF and HEIC have in common: numbers, bits, and the table that says where the pieces of an item lie.

The front end and the engine each have a copy of this file.
"""

from __future__ import annotations

from collections.abc import Iterator

Box = tuple[bytes, int, int]
"""Kind, and where its body begins and ends."""
Place = tuple[int, int]
"""Where a piece is, and how long."""


def number(data: bytes | memoryview, at: int, size: int) -> int:
    """A number of ``size`` bytes; those behind the end do not count."""
    return int.from_bytes(data[at : at + size], "big")


class Bits:
    """Reads bits, the highest first; zeros behind the end."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def __call__(self, count: int) -> int:
        self._left -= count
        return (self._value >> self._left if self._left >= 0 else 0) & (1 << count) - 1

    def exponential(self) -> int:
        """An Exp-Golomb number (ITU-T H.265, section 9.2)."""
        zeros = next((zeros for zeros in range(33) if self(1)), 0)
        return (1 << zeros) - 1 + self(zeros)


def located(data: bytes, begin: int, end: int, inner: int) -> Iterator[tuple[int, list[Place], bool]]:
    """Every item of an ``iloc`` box, its pieces, and whether these are all it claims (ISO/IEC 14496-12, 8.11.3).

    No more pieces are read than the table has bytes for. inner: where the body of the ``idat`` box begins.
    """
    version = number(data, begin, 1)
    wide, narrow, base_size, index = (number(data, begin + 4 + n // 2, 1) >> 4 * (1 - n % 2) & 15 for n in range(4))
    name_size = 4 if version == 2 else 2
    skipped = index if version else 0
    size = skipped + wide + narrow
    at = begin + 6 + name_size
    while at < end:
        item, at = number(data, at, name_size), at + name_size
        method = number(data, at, 2) & 15 if version else 0
        at += (2 if version else 0) + 2
        base = number(data, at, base_size) + (inner if method == 1 else 0)
        claimed, at = number(data, at + base_size, 2), at + base_size + 2
        # without any numbers, a piece is the whole file: one is enough
        count = min(claimed, max(0, end - at) // size if size else 1)
        places = []
        for _ in range(count):
            at += skipped
            places.append((base + number(data, at, wide), number(data, at + wide, narrow)))
            at += wide + narrow
        yield item, places, count == claimed
