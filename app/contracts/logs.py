"""Logs: dotted events with a few fields (``protection.accepted job_id=…``), one per line on stderr, as text or JSON.

Never in a log: pixels, file names, keys, ids of results, or paths that contain them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Hashable
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal

_FIELDS: Final = "poise_fields"


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log a dotted event; ``fields`` are appended as ``key=value``."""
    logger.log(level, name, extra={_FIELDS: fields})


def set_up(level: str, *, form: Literal["text", "json"] = "text", throttled: bool = False) -> None:
    """Send this process's logs to stderr. form: how a line is written. throttled: see :class:`Throttle`."""
    handler = logging.StreamHandler(sys.stderr)
    if throttled:
        handler.addFilter(Throttle())
    handler.setFormatter(_Documents() if form == "json" else _Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("app", "worker", "perturbations"):
        logging.getLogger(name).setLevel(level)


class Throttle(logging.Filter):
    """Lets through one warning or error of each kind a second; the next one says how many were kept back.

    Strangers can cause as many as they like. A kind is an event, or a place in the code.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[Hashable, float] = {}
        self._kept_back: Counter[Hashable] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        fields: dict[str, object] | None = getattr(record, _FIELDS, None)
        kind = (record.name, record.pathname, record.lineno, None if fields is None else record.msg)
        if record.created - self._said.get(kind, -inf) < 1.0:
            self._kept_back[kind] += 1
            return False
        self._said[kind] = record.created
        kept_back = self._kept_back.pop(kind, 0)
        if kept_back:
            setattr(record, _FIELDS, {**(fields or {}), "kept_back": kept_back})
        return True


class _Lines(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        return super().formatMessage(record) + "".join(f" {key}={value}" for key, value in fields.items())


class _Documents(logging.Formatter):
    """One JSON object a line: the event's fields beside time, level, logger, event and, if there is one, exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps({**fields, **document}, ensure_ascii=False, default=str)
