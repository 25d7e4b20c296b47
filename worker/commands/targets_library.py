"""``poise targets add``, ``fetch`` and ``remove``: checkpoints to train against and score with beside what ships."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
from rich.table import Column, Table

from perturbations.checkpoints.known import TABLE, known_checkpoint, known_checkpoints
from perturbations.errors import BadInput
from worker.commands._common import Json, err, out, print_json, reporting_errors

KnownTable = Annotated[
    Path, typer.Option(help="Another table of public checkpoints, of the same form, say of a mirror.")
]


@reporting_errors
def add(
    name: Annotated[str, typer.Argument(help="What reports will call it: small letters, digits and underscores.")],
    checkpoint: Annotated[Path, typer.Option(help="safetensors or PyTorch; it is copied, and code in it never runs.")],
    architecture: Annotated[str | None, typer.Option(help="Insist on one; found in the file by default.")] = None,
    edits: Annotated[
        str | None, typer.Option(help='The manipulations it is asked for, as JSON: {"blond": [0, 1, 0], ...}.')
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, help="Pixels a side that it works at; what fits the architecture by default.")
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
    asked = {"edits": wanted, "image_size": image_size}
    config = {field: value for field, value in asked.items() if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        found = tried_here(checkpoint, Path(folder), architecture=architecture, config=config)
        left = {} if found.converted else asked  # a copy holds them already
        record = library.add(name, found.kept, architecture=architecture, licence=licence, twin=twin, **left)
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


@reporting_errors
def fetch(
    name: Annotated[str, typer.Argument(help="A public checkpoint; `poise targets list --known` names them.")],
    as_: Annotated[str, typer.Option("--as", help="What reports will call it; NAME by default.")] = "",
    table: KnownTable = TABLE,
    json_: Json = False,
) -> None:
    """Download a public checkpoint, check it and register it; goes on where it was cut off. Mind its licence."""
    from perturbations.checkpoints.fetching import fetch as fetched  # noqa: PLC0415 - torch takes a second to import
    from worker.commands._targets import target_library  # noqa: PLC0415 - as above

    known = known_checkpoint(name, table)
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(name, total=known.files[0].bytes if known.files else None)
        record = fetched(
            known,
            target_library(),
            name=as_ or None,
            progress=lambda here, total: bar.update(task, completed=here, total=total),
        )
    if json_:
        print_json(record)
        return
    out.print(f"registered [bold]{record.name}[/bold], a {record.architecture} of {escape(known.paper)}")
    out.print(f"licence: {escape(known.licence)}; {escape(known.page)}")
    if not all(file.proven for file in known.files):
        out.print(f"No SHA-256 of it is known; what came has {record.sha256}. Compare it with somebody else's.")


def print_known(table: Path, *, json_: bool) -> None:
    """Show the public checkpoints of a table."""
    found = known_checkpoints(table)
    if json_:
        print_json({"known": list(found.values())})
        return
    shown = Table(Column("name", no_wrap=True), "pixels", "size", "SHA-256", "what and whose")
    for known in found.values():
        sizes = [file.bytes for file in known.files]
        size = f"{sum(filter(None, sizes)) / 1e6:.0f} MB" if sizes and all(sizes) else "-"
        digest = "by hand" if known.by_hand else "known" if all(file.proven for file in known.files) else "not known"
        whose = f"{known.architecture}: {known.paper}; {known.licence}"
        shown.add_row(known.name, str(known.image_size), size, digest, escape(whose))
    out.print(shown)
    out.print("poise targets fetch NAME brings one. The weights are other people's: mind their licences.")
