"""How many requests one client may send: moving windows in Redis, shared by all front ends.

A client is an address. Behind a reverse proxy it is the one in ``X-Forwarded-For``, but only if the proxy is one of
``POISE_TRUSTED_PROXIES``: anybody can write that header. Of an IPv6 address the network counts (/64), because one
client has all of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, Literal

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from app.contracts.problems import RateLimited
from app.contracts.settings import parse_networks
from app.guards.forms import drain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis import Redis

    from app.contracts.settings import Network, Settings

Scope = Literal["uploads", "reads", "keys"]
"""Photos sent; everything else that is asked for; attempts at an administrator's key that failed."""

_DEFAULT: Final = "60/minute"
_READS_PER_UPLOAD: Final = 20
_KEYS: Final = "10/minute"


@dataclass(frozen=True, slots=True)
class Client:
    """The sender of a request. near: on this machine, and not through a proxy."""

    address: str
    near: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """What a client has left."""

    scope: Scope
    limit: RateLimitItem
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """The ``RateLimit`` fields of the IETF's draft."""
        quota = f'"{self.scope}";q={self.limit.amount};w={self.limit.get_expiry()}'
        left = f'"{self.scope}";r={self.remaining};t={self.reset_seconds}'
        return {"RateLimit-Policy": quota, "RateLimit": left}


class Limiter:
    """The limits of the settings, counted in Redis."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix="poise:limits")
        self._windows = MovingWindowRateLimiter(storage)
        self._proxies = parse_networks(settings.trusted_proxies)
        self._spares_near = settings.rate_limit is None
        self.longest_drain = settings.max_upload_bytes
        """The most bytes read of a request that is refused."""
        self._limits: dict[Scope, RateLimitItem] = {"keys": parse(_KEYS)}
        if settings.rate_limit != "off":
            uploads = parse(settings.rate_limit or _DEFAULT)
            reads = type(uploads)(uploads.amount * _READS_PER_UPLOAD, uploads.multiples)
            self._limits |= {"uploads": uploads, "reads": reads}

    def client_of(self, request: Request) -> Client:
        """The client that sends ``request``."""
        forwarded = request.headers.getlist("x-forwarded-for")
        return client_at(request.client.host if request.client else None, forwarded, self._proxies)

    def hit(self, scope: Scope, client: Client, *, cost: int = 1) -> Budget | None:
        """Count ``cost`` against a client; returns what is left, or ``None`` if there is no limit.

        Raises:
            RateLimited: the limit is exceeded. Then nothing is counted.
        """
        limit = self._limit(scope, client)
        if limit is None:
            return None
        # a batch may be larger than the limit itself: it takes all of it
        allowed = self._windows.hit(limit, scope, client.address, cost=min(cost, limit.amount))
        return self._budget(scope, limit, client, allowed=allowed)

    def check(self, scope: Scope, client: Client) -> None:
        """Check the limit without counting.

        Raises:
            RateLimited: the client has nothing left.
        """
        limit = self._limit(scope, client)
        if limit is not None:
            self._budget(scope, limit, client, allowed=self._windows.test(limit, scope, client.address))

    def _limit(self, scope: Scope, client: Client) -> RateLimitItem | None:
        if client.near and self._spares_near and scope != "keys":
            return None
        return self._limits.get(scope)

    def _budget(self, scope: Scope, limit: RateLimitItem, client: Client, *, allowed: bool) -> Budget:
        stats = self._windows.get_window_stats(limit, scope, client.address)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        budget = Budget(scope, limit, stats.remaining, min(seconds, limit.get_expiry()))
        if allowed:
            return budget
        what = {"uploads": "photos", "reads": "requests", "keys": "attempts"}[scope]
        raise RateLimited(
            f"At most {limit.amount} {what} are allowed in {limit.get_expiry()} seconds. Wait a moment and try again.",
            headers={**budget.headers(), "Retry-After": str(budget.reset_seconds)},
        )


def limiter_of(request: Request) -> Limiter:
    """The limiter of this application."""
    found: Limiter = request.app.state.limiter
    return found


def limited(scope: Scope) -> Callable[[Request, Response], Awaitable[None]]:
    """A dependency that counts every request."""

    async def count(request: Request, response: Response) -> None:
        limiter = limiter_of(request)
        try:
            budget = await run_in_threadpool(limiter.hit, scope, limiter.client_of(request))
        except RateLimited:
            if scope == "uploads":
                await drain(request, limiter.longest_drain)
            raise
        if budget is not None:
            response.headers.update(budget.headers())

    return count


def client_at(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> Client:
    """The client behind ``peer``: the last address of ``X-Forwarded-For`` that no trusted proxy has."""
    address = _address(peer)
    if address is None:  # a unix socket
        return Client("local", near=not forwarded)
    hops = [part.strip() for line in forwarded for part in line.split(",")]
    through = address
    while hops and any(through in network for network in proxies):
        hop = _address(hops.pop())
        if hop is None:
            break
        through = hop
    near = through.is_loopback and not forwarded
    if isinstance(through, IPv6Address):
        return Client(str(IPv6Network((int(through), 64), strict=False)), near)
    return Client(str(through), near)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address((text or "").strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
