"""``python -m app.probe`` exits with 0 if the front end on this machine answers: the health check of its container."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from app.contracts.settings import load_settings


def answers(port: int) -> bool:
    """Whether ``/livez`` on ``port`` of this machine says that all is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(not answers(load_settings().port))
