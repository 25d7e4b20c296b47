"""Logs: dotted events with a few fields (``protection.accepted job_id=…``), one a line on stderr, as text or as JSON.

Never in a log: pixels, file names, keys, ids of results, or paths that carry them.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

_FIELDS: Final = "poise_fields"


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log a dotted event; ``fields`` are appended as ``key=value``."""
    logger.log(level, name, extra={_FIELDS: fields})


def set_up(level: str, *, form: Literal["text", "json"] = "text") -> None:
    """Send this process's logs to stderr. form: how a line is written."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Documents() if form == "json" else _Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("app", "worker", "perturbations"):
        logging.getLogger(name).setLevel(level)


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
