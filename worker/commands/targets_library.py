"""``poise targets add`` and ``remove``: checkpoints that are trained against and keep score beside those that ship."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from perturbations.errors import BadInput
from worker.commands._common import Json, out, print_json, reporting_errors


@reporting_errors
def add(
    name: Annotated[str, typer.Argument(help="What reports will call it: small letters, digits and underscores.")],
    checkpoint: Annotated[Path, typer.Option(help="safetensors or PyTorch; it is copied, and code in it never runs.")],
    architecture: Annotated[str | None, typer.Option(help="Insist on one; found in the file by default.")] = None,
    edits: Annotated[
        str | None, typer.Option(help='The manipulations it is asked for, as JSON: {"blond": [0, 1, 0], ...}.')
    ] = None,
    licence: Annotated[str, typer.Option(help="What its owner allows; kept with it.")] = "",
    twin: Annotated[bool, typer.Option("--twin", help="A twin of NAME: never trained on, only keeps score.")] = False,
    json_: Json = False,
) -> None:
    """Register a checkpoint as a target, if it is fast and small enough; a service uses it from the next photo on."""
    from worker.commands._targets import check_room, target_library, tried_here  # noqa: PLC0415 - torch takes a second

    wanted: Any = None
    if edits is not None:
        try:
            wanted = json.loads(edits)
        except ValueError as error:
            raise BadInput(f"--edits is not JSON: {error}") from error
    library = target_library()
    check_room(name, library)
    with tempfile.TemporaryDirectory() as folder:
        config = {} if wanted is None else {"edits": wanted}
        found = tried_here(checkpoint, Path(folder), architecture=architecture, config=config)
        edits_left = None if found.converted else wanted  # a copy holds them already
        record = library.add(name, found.kept, architecture=architecture, edits=edits_left, licence=licence, twin=twin)
    if json_:
        print_json(record)
        return
    what = f"the twin of [bold]{name}[/bold]" if twin else f"[bold]{name}[/bold]"
    out.print(f"registered {what}, a {record.architecture} with the edits {escape(', '.join(record.config['edits']))}")


@reporting_errors
def remove(
    name: Annotated[str, typer.Argument(help="A registered target.")],
    json_: Json = False,
) -> None:
    """Forget a registered target and its twin; perturbations trained against it stay as they are."""
    from worker.commands._targets import target_library  # noqa: PLC0415 - torch takes a second to import

    target_library().remove(name)
    if json_:
        print_json({"removed": name})
        return
    out.print(f"removed {name}")
