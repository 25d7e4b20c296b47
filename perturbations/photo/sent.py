"""What the scans of a JPEG hold together: if cut off between two of them, it ends like a complete one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_COEFFICIENTS: Final = 64
_NEVER: Final = 255


class Sent:
    """Of each component, down to which bit each coefficient was sent (ITU-T T.81, section G.1.1.1)."""

    def __init__(self, components: Iterable[int], *, progressive: bool) -> None:
        self._bits = {component: [_NEVER] * _COEFFICIENTS for component in components}
        self._progressive = progressive

    def note(self, header: bytes) -> None:
        """Note the header of a scan."""
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return
        first, last, bits = header[1 + 2 * count : 4 + 2 * count]
        if not self._progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for component in header[1 : 1 + 2 * count : 2]:
            known = self._bits.get(component, [])
            for coefficient in range(first, min(last + 1, len(known))):
                known[coefficient] = bits & 15

    def complete(self, *, exact: bool) -> bool:
        """Whether every coefficient was sent; ``exact``: to its last bit, which an encoder may leave out."""
        most = 0 if exact else _NEVER - 1
        return all(max(known) <= most for known in self._bits.values())
