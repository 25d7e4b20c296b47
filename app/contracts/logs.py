"""Logs: dotted events with a few fields (``protection.accepted job_id=…``), one a line on stderr.

Never in a log: pixels, file names, keys, ids of results, or paths that carry them.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

_FIELDS: Final = "poise_fields"


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log a dotted event; ``fields`` are appended as ``key=value``."""
    logger.log(level, name, extra={_FIELDS: fields})


def set_up(level: str) -> None:
    """Send this process's logs to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("app", "worker", "perturbations"):
        logging.getLogger(name).setLevel(level)


class _Lines(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        return super().formatMessage(record) + "".join(f" {key}={value}" for key, value in fields.items())
