"""The front end as a process: ``python -m app.server``, on a socket its parent has opened or one of its own."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

from app import metrics
from app.connections import connections
from app.contracts.broker import refuse_cluster
from app.contracts.logs import set_up
from app.contracts.settings import BadSettings, Settings, load_settings
from app.main import create_app


def run(settings: Settings, listening: socket.socket | None) -> None:
    """Serve until SIGTERM or SIGINT. Requests are not logged by uvicorn: their paths carry ids of results."""
    config = uvicorn.Config(
        create_app(settings),
        http=connections(settings.stall_seconds),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # it would believe X-Forwarded-For from any neighbour; who is a proxy is said by POISE_TRUSTED_PROXIES
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )
    with metrics.serving(settings):
        uvicorn.Server(config).run(sockets=None if listening is None else [listening])


def main() -> None:
    """Read settings and serve."""
    parser = argparse.ArgumentParser(prog="app.server")
    parser.add_argument("--fd", type=int, help="an inherited, listening socket")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        set_up(settings.log_level, form=settings.log_format)
        refuse_cluster(settings)
        run(settings, None if arguments.fd is None else socket.socket(fileno=arguments.fd))
    except BadSettings as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
