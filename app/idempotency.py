"""``Idempotency-Key``: a repeated request gets the answer of the first, and nothing is done twice.

What must be found again is the result id, which is stored nowhere in the clear. So it is stored sealed: added to a pad
that only somebody with the key *and* the request can compute (HMAC-SHA256, keyed with the digest of photo and options,
of a random salt and the key; a result id has fewer bytes than a digest, and every pad is used once). A reader of
Redis finds hashes, salts and sealed ids, and learns neither the key nor the id nor which photo it was.

A key is claimed when the request begins and stored in the same transaction as the job, for as long as its result. After
that it is unknown again. Keys are chosen by clients: guessing one is useless without the photo.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from redis import Redis

from app.contracts.problems import BadRequest, KeyInFlight, KeyReused

IN_FLIGHT_SECONDS: Final = 60
"""How long a key stays taken by a request that never finished."""

_KEY: Final = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')


@dataclass(frozen=True, slots=True)
class Claim:
    """The first request of a key: :meth:`keep` its result, or :meth:`release` the key."""

    redis: Redis
    place: str
    key: bytes
    digest: bytes
    salt: bytes

    def keep(self, pipe: Redis, result_id: str, expires_at: datetime) -> None:
        """Add the result to a transaction."""
        sealed = _xor(base64.urlsafe_b64decode(result_id), _pad(self.key, self.digest, self.salt))
        pipe.set(self.place, _record(self.key, self.digest, self.salt, sealed))
        pipe.expireat(self.place, expires_at)

    def release(self) -> None:
        """Forget that the key was ever used."""
        self.redis.delete(self.place)


def claim(redis: Redis, key: str, digest: bytes) -> Claim | str:
    """Take ``key`` for the request whose photo and options have ``digest``, or the result id it already stands for.

    Raises:
        KeyInFlight: the first request with this key is still being answered.
        KeyReused: the key stands for another request.
    """
    raw_key = key.encode()
    salt = secrets.token_bytes(16)
    taken = Claim(redis, _place(raw_key), raw_key, digest, salt)
    record = _record(raw_key, digest, salt, None)
    before: bytes | None = None
    while before is None:
        if redis.set(taken.place, record, nx=True, ex=IN_FLIGHT_SECONDS):
            return taken
        before = cast("bytes | None", redis.get(taken.place))  # nothing where it has just expired
    found = json.loads(before)
    salt = bytes.fromhex(found["salt"])
    if not hmac.compare_digest(found["tag"], _tag(raw_key, digest, salt)):
        raise KeyReused(
            "This Idempotency-Key was used with another photo or other options. Use a new key for each request."
        )
    if found["sealed"] is None:
        raise KeyInFlight(
            "The first request with this Idempotency-Key is still in progress. Try again in a moment.",
            headers={"Retry-After": "1"},
        )
    return base64.urlsafe_b64encode(_xor(bytes.fromhex(found["sealed"]), _pad(raw_key, digest, salt))).decode()


def parse_key(header: str | None) -> str | None:
    """The key of an ``Idempotency-Key`` header: a quoted string, as the IETF draft requires, or a bare one.

    Raises:
        BadRequest: it is neither.
    """
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        raise BadRequest(
            "The Idempotency-Key is not valid. Send up to 255 printable ASCII characters, ideally a fresh UUID."
        )
    return found[1] or found[2]


def request_digest(*parts: bytes) -> bytes:
    """One digest of all parts of a request, in this order."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _place(key: bytes) -> str:
    return "poise:idempotency:" + hashlib.sha256(key).hexdigest()


def _record(key: bytes, digest: bytes, salt: bytes, sealed: bytes | None) -> str:
    tag = _tag(key, digest, salt)
    return json.dumps({"salt": salt.hex(), "tag": tag, "sealed": None if sealed is None else sealed.hex()})


def _tag(key: bytes, digest: bytes, salt: bytes) -> str:
    """Identifies a request without revealing it."""
    return hmac.digest(digest, b"same request" + salt + key, "sha256").hex()


def _pad(key: bytes, digest: bytes, salt: bytes) -> bytes:
    return hmac.digest(digest, b"result id" + salt + key, "sha256")


def _xor(data: bytes, pad: bytes) -> bytes:
    """``data``, which must not be longer than ``pad``, sealed or opened."""
    if len(data) > len(pad):
        raise ValueError("the pad is too short")
    return bytes(a ^ b for a, b in zip(data, pad, strict=False))
