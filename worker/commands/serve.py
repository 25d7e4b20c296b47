"""``poise serve``: the whole service with one command."""

from __future__ import annotations

from typing import Annotated

import typer

from app.contracts.logs import set_up
from app.contracts.settings import BadSettings, load_settings
from worker.commands._common import BAD_INPUT, err, fail, reporting_errors
from worker.process import check
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
        check(settings)
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
