"""Sending tasks by name through Celery, without knowing what they do."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError

from app.contracts.redis.messages import celery_settings
from app.contracts.redis.metrics import sent_now
from app.contracts.settings import Settings


class CeleryQueue:
    """The queues of the configured Redis."""

    def __init__(self, settings: Settings) -> None:
        self._celery = Celery("poise", set_as_current=False)
        self._celery.conf.update(celery_settings(settings))

    def send(self, task: str, job_id: str) -> None:
        """Hand over a task; its queue follows from its name. Raises ``OSError`` if Redis cannot be reached."""
        try:
            self._celery.send_task(task, args=[job_id], headers=sent_now())
        except OperationalError as error:
            raise ConnectionError("the queue cannot be reached") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._celery.close()
