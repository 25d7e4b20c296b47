"""How messages travel: the settings that both ends of the queues share, and where messages wait."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any, Final, cast

from redis import Redis

from app.contracts.names import QUEUE_PROTECT, TASK_QUEUES
from app.contracts.redis.connection import SENTINEL_SCHEME, sentinels
from app.contracts.settings import Settings

VISIBILITY_SECONDS: Final = 600
"""After this long an unacknowledged message is delivered again. Leases, not this, bring lost jobs back."""

_QUEUE_PREFIX: Final = "poise:queue:"


def queue_key(queue: str) -> str:
    """The Redis list in which the messages of ``queue`` wait, the oldest last."""
    return _QUEUE_PREFIX + queue


def waiting(redis: Redis, queue: str) -> set[str]:
    """The ids of the jobs whose messages wait in ``queue``. Anything but messages of Celery is left out."""
    messages = cast("list[bytes]", redis.lrange(queue_key(queue), 0, -1))
    return {found for message in messages if (found := _first_argument(message)) is not None}


def _first_argument(message: bytes) -> str | None:
    """Of a message as Celery writes it: JSON whose body is JSON in base64, the arguments first."""
    try:
        arguments, *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
        return str(arguments[0])
    except (ValueError, LookupError, TypeError):
        return None


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
    elif url.startswith(SENTINEL_SCHEME):
        addresses, transport["master_name"] = sentinels(url)
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
