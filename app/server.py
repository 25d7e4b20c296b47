"""The front end as a process: ``python -m app.server``, on a socket that its parent has opened, or on its own."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from typing import Final

import uvicorn

from app import metrics
from app.contracts.logs import event, set_up
from app.contracts.redis.connection import refuse_cluster
from app.contracts.settings import BadSettings, Settings, load_settings
from app.guards.connections import connections
from app.guards.open_files import OTHERS, connections_within, raise_limit
from app.main import create_app, shared_figures

_log = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE: Final = 32
"""Connections accepted before they are handled, in addition to the limit."""
_BACKLOG: Final = 512
"""Connections the system keeps until they are accepted."""


class Server(uvicorn.Server):
    """uvicorn's server, with a longer queue of new connections than it accepts at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_BACKLOG)


def run(settings: Settings, listening: socket.socket | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = configuration(_as_files_allow(settings))
    with shared_figures(settings) as shared, metrics.serving(settings, shared):
        Server(config).run(sockets=[config.bind_socket() if listening is None else listening])


def configuration(settings: Settings) -> uvicorn.Config:
    """How uvicorn serves. Requests are not logged by it: their paths carry ids of results."""
    return uvicorn.Config(
        create_app(settings),
        http=connections(settings.stall_seconds, most=settings.max_connections),
        ws="none",
        host=settings.host,
        port=settings.port,
        backlog=_ACCEPTED_AT_ONCE,
        access_log=False,
        log_config=None,
        server_header=False,
        # it would believe X-Forwarded-For from any neighbour; who is a proxy is said by POISE_TRUSTED_PROXIES
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
    )


def _as_files_allow(settings: Settings) -> Settings:
    """The settings, with no more connections than open files allow, after raising that limit if possible."""
    files = raise_limit(settings.max_connections + OTHERS)
    most = connections_within(files, wanted=settings.max_connections)
    if most < settings.max_connections:
        event(_log, "server.few_files", level=logging.WARNING, files=files, connections=most)
    return settings.model_copy(update={"max_connections": most})


def main() -> None:
    """Read settings and serve."""
    parser = argparse.ArgumentParser(prog="app.server")
    parser.add_argument("--fd", type=int, help="an inherited, listening socket")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        set_up(settings.log_level, form=settings.log_format, throttled=True)
        # it repeats some of what was sent; the answer says what is wrong
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        refuse_cluster(settings)
        run(settings, None if arguments.fd is None else socket.socket(fileno=arguments.fd))
    except BadSettings as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
