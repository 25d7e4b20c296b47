"""The client of the configured Redis, whether it is a single one or a primary that Sentinels watch."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from redis import Redis, RedisError
from redis.sentinel import Sentinel

from app.contracts.settings import BadSettings, Settings

SENTINEL_SCHEME: Final = "sentinel://"
_SENTINEL_PORT: Final = 26_379


def connect(settings: Settings) -> Redis:
    """A client of the configured Redis that gives up after seconds.

    Behind Sentinel (``sentinel://[:password@]host[:port][;sentinel://…]/name``) it follows the primary called ``name``.
    """
    url = settings.require_redis_url()
    limits = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "health_check_interval": 30}
    if not url.startswith(SENTINEL_SCHEME):
        return Redis.from_url(url, **limits)
    addresses, name = sentinels(url)
    parts = [urlsplit(address) for address in addresses]
    hosts = [(part.hostname or "localhost", part.port or _SENTINEL_PORT) for part in parts]
    password = unquote(parts[0].password) if parts[0].password else None
    client: Redis = Sentinel(hosts, sentinel_kwargs=limits, password=password, **limits).master_for(name)
    return client


def refuse_cluster(settings: Settings) -> None:
    """Make sure at start that the configured Redis is not a Cluster. One that does not answer yet passes.

    Raises:
        BadSettings: it is one.
    """
    redis = connect(settings)
    try:
        clustered = redis.info("cluster").get("cluster_enabled")
    except RedisError:
        return
    finally:
        redis.close()
    if clustered:
        raise BadSettings(
            "POISE_REDIS_URL leads to a Redis Cluster, which Celery cannot use as a queue; "
            "use a single Redis, or several behind Sentinel (sentinel://host:26379/name)"
        )


def sentinels(url: str) -> tuple[list[str], str]:
    """The addresses of the Sentinels in a ``sentinel://`` URL, and the name of the primary they watch."""
    *others, last = url.split(";")
    address, _, name = last.rpartition("/")
    return [*others, address], name
