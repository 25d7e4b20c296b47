"""``poise serve``: the whole service with one command."""

from __future__ import annotations

from typing import Annotated

import typer

from app.contracts.logs import set_up
from app.contracts.redis.messages import refuse_cluster
from app.contracts.settings import BadSettings, load_settings
from app.contracts.storage import storage_of
from worker.commands._common import BAD_INPUT, err, fail, reporting_errors
from worker.serve.launcher import CannotServe
from worker.serve.launcher import serve as launch


@reporting_errors
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: POISE_HOST, or 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on. Default: POISE_PORT, or 8000.", min=0, max=65535)
    ] = None,
) -> None:
    """Run the whole service: Redis, workers, HTTP interface and web page. Ctrl-C stops it."""
    try:
        settings = load_settings()
        if settings.redis_url is not None:
            refuse_cluster(settings)
        if settings.storage_url is not None:
            storage_of(settings)
    except BadSettings as error:
        fail(str(error), code=BAD_INPUT)
    changed = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    set_up(settings.log_level, form=settings.log_format)
    try:
        launch(settings.model_copy(update=changed), ready=_announce)
    except CannotServe as error:
        fail(str(error))


def _announce(url: str) -> None:
    err.print(f"Poise is ready: [bold]{url}[/bold]  (Ctrl-C stops it)", highlight=False)
