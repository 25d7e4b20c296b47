"""What decoders raise on damaged data."""

from __future__ import annotations

import struct
import zlib
from typing import Final

DAMAGE: Final = (
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged data."""
