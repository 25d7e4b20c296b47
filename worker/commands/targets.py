"""``poise targets``: the generators Poise knows, the checkpoints that fit them, and surrogates."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from app.contracts.records.generators import Generator
from perturbations.checkpoints.known import TABLE
from worker.commands import targets_library, targets_train, targets_train_all
from worker.commands._common import Json, complain, out, print_json, remark, reporting_errors

app = typer.Typer(no_args_is_help=True, help="Generators to interrupt, and their checkpoints.")
app.command("train")(targets_train.train)
app.command("train-all")(targets_train_all.train_all)
app.command("add")(targets_library.add)
app.command("fetch")(targets_library.fetch)
app.command("remove")(targets_library.remove)
app.command("enable")(targets_library.enable)
app.command("disable")(targets_library.disable)


@app.command("list")
@reporting_errors
def list_targets(
    known: Annotated[
        bool, typer.Option("--known", help="List public checkpoints that can be fetched instead.")
    ] = False,
    known_table: Annotated[Path, typer.Option("--table", help="Another table of public checkpoints.")] = TABLE,
    json_: Json = False,
) -> None:
    """List the known architectures (including plug-ins), the surrogates that ship, and registered targets."""
    if known:
        targets_library.print_known(known_table, json_=json_)
        return
    from perturbations.checkpoints.shipped import shipped_names  # noqa: PLC0415 - as above
    from perturbations.targets.registry import architecture, broken, names  # noqa: PLC0415 - torch takes a second
    from worker.commands._generators import document, records  # noqa: PLC0415 - as above

    reasons = broken()
    classes = {name: architecture(name) for name in names() if name not in reasons}
    rows = [
        {"architecture": name, "paradigm": cls.paradigm, "unavailable": cls.unavailable()}
        for name, cls in classes.items()
    ]
    shipped, registered = shipped_names(), records()
    if json_:
        listed = [document(record) for record in registered]
        print_json({"architectures": rows, "surrogates": shipped, "registered": listed, "broken_plugins": reasons})
        return
    table = Table("architecture", "paradigm", "surrogate", "")
    for row in rows:
        ships = "ships" if row["architecture"] in shipped else "-"
        table.add_row(row["architecture"], row["paradigm"], ships, escape(row["unavailable"] or ""))
    out.print(table)
    if registered:
        _print_registered(registered)
    for reason in reasons.values():
        complain(reason)


def _print_registered(records: Sequence[Generator]) -> None:
    table = Table("registered", "architecture", "pixels", "edits", "licence", "added", "status")
    for record in records:
        name = f"{record.name} (twin)" if record.twin else record.name
        what = (record.architecture or "", str(record.image_size or ""), escape(", ".join(record.edits or ())))
        added = f"{record.origin} {record.created_at:%Y-%m-%d}"
        table.add_row(name, *what, escape(record.licence or "not stated"), added, record.status)
    out.print(table)
    for record in records:
        if record.error is not None:
            remark(f"{record.key} is {record.status}: {record.error.detail}")


@app.command()
@reporting_errors
def check(
    file: Annotated[Path, typer.Argument(help="A checkpoint: safetensors or PyTorch. Code in it never runs.")],
    architecture: targets_library.Architecture = None,
    edits: targets_library.Edits = None,
    image_size: targets_library.ImageSize = None,
    json_: Json = False,
) -> None:
    """Say whether a checkpoint fits, which architecture it is, and what it costs to score with it.

    Details that neither the file nor the options give are assumed here, and marked as such. To add the checkpoint, they
    must be given.
    """
    from worker.commands._generators import given_details, tried_here  # noqa: PLC0415 - torch takes a second to import

    with tempfile.TemporaryDirectory() as folder:
        found = tried_here(file, Path(folder), details=given_details(architecture, image_size, edits), may_assume=True)
    info = found.info
    if json_:
        cost = {"edit_seconds": found.edit_seconds, "face_seconds": found.face_seconds, "megabytes": found.megabytes}
        print_json({**asdict(info), **cost, "unsaid": found.assumed})
        return
    table = Table(show_header=False, box=None)
    table.add_row("architecture", f"{info.architecture} ({info.paradigm})")
    table.add_row("parameters", f"{info.parameters:,}")
    table.add_row("size", f"{info.bytes:,} bytes")
    table.add_row("sha256", info.sha256)
    table.add_row("one face", f"{found.face_seconds:.1f} s of processor time, {found.megabytes} MB")
    for name, value in info.config.items():
        shown = ", ".join(value) if name == "edits" else str(value)
        table.add_row(name, escape(shown) + (" (assumed; the file does not say)" if name in found.assumed else ""))
    out.print(table)
