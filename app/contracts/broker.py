"""How messages travel: the settings both ends of the queues share, and the client of Redis beside them."""

from __future__ import annotations

from typing import Any, Final

from redis import Redis

from app.contracts.names import PROTECT, QUEUE_PROTECT, QUEUE_SCORE, SCORE
from app.contracts.settings import Settings

VISIBILITY_SECONDS: Final = 600
"""After this long an unacknowledged message is delivered again. Leases, not this, bring lost jobs back."""


def connect(settings: Settings) -> Redis:
    """A client of the configured Redis that gives up after seconds."""
    return Redis.from_url(
        settings.require_redis_url(), socket_timeout=5.0, socket_connect_timeout=2.0, health_check_interval=30
    )


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What Celery needs to know, on both ends."""
    url = settings.require_redis_url()
    transport = {
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_connect_timeout": 2.0,
        "socket_keepalive": True,
        "global_keyprefix": "poise:queue:",
    }
    return {
        # Celery has its own spelling for sockets
        "broker_url": "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": transport,
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_SECONDS},
        "visibility_timeout": VISIBILITY_SECONDS,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_routes": {PROTECT: {"queue": QUEUE_PROTECT}, SCORE: {"queue": QUEUE_SCORE}},
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
