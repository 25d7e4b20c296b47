"""``poise targets add``, ``fetch``, ``remove``, ``enable`` and ``disable``: generators besides those that ship."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
from rich.table import Column, Table

from app.contracts.generator_options import GivenDetails
from app.contracts.records.generators import Generator
from perturbations.checkpoints.known import TABLE, known_checkpoint, known_checkpoints
from perturbations.errors import BadCheckpoint
from worker.commands._common import Json, err, out, print_json, remark, reporting_errors
from worker.commands._installation import usable_settings

KnownTable = Annotated[
    Path, typer.Option(help="Another table of public checkpoints in the same format, for example of a mirror.")
]


Edits = Annotated[
    str | None,
    typer.Option(
        help="Its edits: names in the order of its labels, such as blond,male; or JSON, such as "
        '{"blond": [0, 1, 0], ...}; or "official" for the published checkpoint.'
    ),
]
ImageSize = Annotated[
    int | None, typer.Option(min=8, help="The width and height of the images it works on, in pixels.")
]
Architecture = Annotated[str | None, typer.Option(help="Accept only this one; recognised from the file by default.")]
GeneratorName = Annotated[str, typer.Argument(help="A target from `poise targets list`.")]


@reporting_errors
def add(
    name: Annotated[str, typer.Argument(help="Its name in reports: lower-case letters, digits and underscores.")],
    checkpoint: Annotated[Path, typer.Option(help="safetensors or PyTorch. It is copied. Code in it never runs.")],
    architecture: Architecture = None,
    edits: Edits = None,
    image_size: ImageSize = None,
    licence: Annotated[str, typer.Option(help="What its owner allows. Stored with it.")] = "",
    twin: Annotated[
        bool, typer.Option("--twin", help="Register it as the twin of NAME: perturbations are never trained on it.")
    ] = False,
    json_: Json = False,
) -> None:
    """Register a checkpoint as a target, if it is fast and small enough. A service uses it from the next photo on.

    Details that the file does not contain must be given: its image size and the names of its edits.
    """
    from worker.commands import _generators as store  # noqa: PLC0415 - torch takes a second to import

    details = store.given_details(architecture, image_size, edits)
    record = store.register(
        store.opened(), name, checkpoint, details=details, twin=twin, licence=licence, origin="registered"
    )
    if json_:
        print_json(store.document(record))
        return
    what = f"the twin of [bold]{name}[/bold]" if twin else f"[bold]{name}[/bold]"
    out.print(f"registered {what}, a {record.architecture} with the edits {escape(', '.join(record.edits or ()))}")
    _say_disabled(record)


@reporting_errors
def remove(
    name: Annotated[str, typer.Argument(help="A registered target.")],
    json_: Json = False,
) -> None:
    """Remove a registered target and its twin. Perturbations trained against it stay as they are."""
    from worker.commands import _generators as store  # noqa: PLC0415 - torch takes a second to import

    generators = store.opened()
    with store.refusals(name, generators):
        generators.delete(name)
    if json_:
        print_json({"removed": name})
        return
    out.print(f"removed {name}")


@reporting_errors
def enable(name: GeneratorName, json_: Json = False) -> None:
    """Use a target that was disabled. If an older version assumed details of it, this confirms them."""
    _switch(name, enabled=True, json_=json_)


@reporting_errors
def disable(name: GeneratorName, json_: Json = False) -> None:
    """Stop using a target; it stays in the store."""
    _switch(name, enabled=False, json_=json_)


@reporting_errors
def fetch(
    name: Annotated[str, typer.Argument(help="A public checkpoint from `poise targets list --known`.")],
    as_: Annotated[str, typer.Option("--as", help="Its name in reports; NAME by default.")] = "",
    table: KnownTable = TABLE,
    json_: Json = False,
) -> None:
    """Download a public checkpoint, check it and register it. Resumes an interrupted download. Mind its licence."""
    from perturbations.checkpoints.fetching import fetch as fetched  # noqa: PLC0415 - torch takes a second to import
    from worker.commands import _generators as store  # noqa: PLC0415 - as above

    known, own = known_checkpoint(name, table), as_ or name
    generators = store.opened()
    store.check_free(generators, own)
    place = usable_settings().data_dir / ".downloads" / known.name
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(name, total=known.files[0].bytes if known.files else None)
        path, details = fetched(
            known, place, name=own, progress=lambda here, total: bar.update(task, completed=here, total=total)
        )
    try:
        record = store.register(
            generators,
            own,
            path,
            details=GivenDetails.model_validate(asdict(details)),
            twin=False,
            licence=known.licence,
            origin="fetched",
        )
    except BadCheckpoint:
        shutil.rmtree(place, ignore_errors=True)  # the file is useless: the next call starts over
        raise
    shutil.rmtree(place, ignore_errors=True)
    if json_:
        print_json(store.document(record))
        return
    out.print(f"registered [bold]{record.name}[/bold], a {record.architecture} of {escape(known.paper)}")
    out.print(f"licence: {escape(known.licence)}; {escape(known.page)}")
    if not all(file.proven for file in known.files):
        out.print(f"Its SHA-256 was not known. The download has {record.sha256}; compare it with another source.")
    _say_disabled(record)


def _switch(name: str, *, enabled: bool, json_: bool) -> None:
    from worker.commands import _generators as store  # noqa: PLC0415 - torch takes a second to import

    generators = store.opened()
    with store.refusals(name, generators):
        record = generators.enable(name, enabled=enabled)
    if json_:
        print_json(store.document(record))
        return
    out.print(f"{name} is {record.status}")


def _say_disabled(record: Generator) -> None:
    if record.error is not None:
        remark(f"{record.key} is {record.status}: {record.error.detail}")


def print_known(table: Path, *, json_: bool) -> None:
    """Show the public checkpoints of a table."""
    found = known_checkpoints(table)
    if json_:
        print_json({"known": list(found.values())})
        return
    shown = Table(Column("name", no_wrap=True), "pixels", "size", "SHA-256", "description")
    for known in found.values():
        sizes = [file.bytes for file in known.files]
        size = f"{sum(filter(None, sizes)) / 1e6:.0f} MB" if sizes and all(sizes) else "-"
        digest = "by hand" if known.by_hand else "known" if all(file.proven for file in known.files) else "not known"
        whose = f"{known.architecture}: {known.paper}; {known.licence}"
        shown.add_row(known.name, str(known.image_size), size, digest, escape(whose))
    out.print(shown)
    out.print("poise targets fetch NAME downloads one. The weights belong to others: mind their licences.")
