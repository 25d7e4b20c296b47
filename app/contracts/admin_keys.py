"""Administrators' keys. Several may be valid at once, so that one can replace another. Only hashes are compared."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

_HASHED: Final = "sha256:"


def key_digests(keys: str | None) -> tuple[bytes, ...]:
    """SHA-256 of every key in a comma-separated list, each plain or ``sha256:<64 hex digits>``; none for no list.

    Raises:
        ValueError: an entry is empty or no such hash; the message does not repeat it.
    """
    return () if keys is None else tuple(_digest(key.strip()) for key in keys.split(","))


def is_known(key: str, digests: Iterable[bytes]) -> bool:
    """Whether ``key`` is one of those hashed. It is compared with all, in a time that says nothing about any."""
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).digest()
    found = False
    for known in digests:
        found |= hmac.compare_digest(digest, known)
    return found


def _digest(key: str) -> bytes:
    if not key:
        raise ValueError("has an empty key; separate keys by single commas")
    if not key.startswith(_HASHED):
        return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", key.removeprefix(_HASHED)):
        raise ValueError("has a hash that is not sha256: and 64 hex digits")
    return bytes.fromhex(key.removeprefix(_HASHED))
