"""How messages travel: the settings both ends of the queues share, and the client of Redis beside them."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from redis import Redis, RedisError
from redis.sentinel import Sentinel

from app.contracts.names import QUEUE_PROTECT, TASK_QUEUES
from app.contracts.settings import BadSettings, Settings

VISIBILITY_SECONDS: Final = 600
"""After this long an unacknowledged message is delivered again. Leases, not this, bring lost jobs back."""

_SENTINEL_PORT: Final = 26_379
_QUEUE_PREFIX: Final = "poise:queue:"


def queue_key(queue: str) -> str:
    """The Redis list in which the messages of ``queue`` wait, the oldest last."""
    return _QUEUE_PREFIX + queue


def waiting(redis: Redis, queue: str) -> set[str]:
    """The ids of the jobs whose messages wait in ``queue``. What is no message of Celery's is left out."""
    messages = cast("list[bytes]", redis.lrange(queue_key(queue), 0, -1))
    return {found for message in messages if (found := _first_argument(message)) is not None}


def _first_argument(message: bytes) -> str | None:
    """Of a message as Celery writes it: JSON whose body is JSON in base64, the arguments first."""
    try:
        arguments, *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
        return str(arguments[0])
    except (ValueError, LookupError, TypeError):
        return None


def connect(settings: Settings) -> Redis:
    """A client of the configured Redis that gives up after seconds.

    Behind Sentinel (``sentinel://[:password@]host[:port][;sentinel://…]/name``) it follows the primary called ``name``.
    """
    url = settings.require_redis_url()
    patience = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "health_check_interval": 30}
    if not url.startswith("sentinel://"):
        return Redis.from_url(url, **patience)
    addresses, name = _sentinels(url)
    parts = [urlsplit(address) for address in addresses]
    hosts = [(part.hostname or "localhost", part.port or _SENTINEL_PORT) for part in parts]
    password = unquote(parts[0].password) if parts[0].password else None
    client: Redis = Sentinel(hosts, sentinel_kwargs=patience, password=password, **patience).master_for(name)
    return client


def refuse_cluster(settings: Settings) -> None:
    """Make sure at start that the configured Redis is no Cluster; one that does not answer yet passes.

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


def _sentinels(url: str) -> tuple[list[str], str]:
    """The addresses of the Sentinels, and the name of the primary they watch."""
    *others, last = url.split(";")
    address, _, name = last.rpartition("/")
    return [*others, address], name


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What Celery needs to know, on both ends."""
    url = settings.require_redis_url()
    transport: dict[str, Any] = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_connect_timeout": 2.0,
        "socket_keepalive": True,
        "global_keyprefix": _QUEUE_PREFIX,
    }
    if url.startswith("unix://"):  # Celery has its own spelling
        url = "redis+socket://" + url.removeprefix("unix://")
    elif url.startswith("sentinel://"):
        addresses, transport["master_name"] = _sentinels(url)
        url = ";".join(addresses)
    return {
        "broker_url": url,
        # Celery would trust any certificate; what the URL says in ssl_ parameters still comes first
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss://") else False,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": transport,
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_SECONDS},
        "visibility_timeout": VISIBILITY_SECONDS,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_routes": {task: {"queue": queue} for task, queue in TASK_QUEUES.items()},
        "task_default_queue": QUEUE_PROTECT,
        "task_create_missing_queues": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1},
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        # loading torch and the surrogates takes longer than Celery's four seconds
        "worker_proc_alive_timeout": 180.0,
        "timezone": "UTC",
        "enable_utc": True,
    }
