"""``poise targets``: the generators Poise knows, the checkpoints that fit them, and surrogates of our own."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from perturbations.checkpoints.known import TABLE
from worker.commands import targets_library, targets_train, targets_train_all
from worker.commands._common import Json, complain, out, print_json, reporting_errors

app = typer.Typer(no_args_is_help=True, help="Generators to interrupt, and their checkpoints.")
app.command("train")(targets_train.train)
app.command("train-all")(targets_train_all.train_all)
app.command("add")(targets_library.add)
app.command("fetch")(targets_library.fetch)
app.command("remove")(targets_library.remove)


@app.command("list")
@reporting_errors
def list_targets(
    known: Annotated[bool, typer.Option("--known", help="Public checkpoints that can be fetched instead.")] = False,
    known_table: Annotated[Path, typer.Option("--table", help="Another table of public checkpoints.")] = TABLE,
    json_: Json = False,
) -> None:
    """Name the known architectures, plug-ins among them, the surrogates that ship, and what is registered."""
    if known:
        targets_library.print_known(known_table, json_=json_)
        return
    from perturbations.checkpoints.shipped import shipped_names  # noqa: PLC0415 - as above
    from perturbations.targets.registry import architecture, broken, names  # noqa: PLC0415 - torch takes a second
    from worker.commands._targets import target_library  # noqa: PLC0415 - as above

    reasons = broken()
    classes = {name: architecture(name) for name in names() if name not in reasons}
    rows = [
        {"architecture": name, "paradigm": cls.paradigm, "unavailable": cls.unavailable()}
        for name, cls in classes.items()
    ]
    shipped, registered = shipped_names(), target_library().records()
    if json_:
        print_json({"architectures": rows, "surrogates": shipped, "registered": registered, "broken_plugins": reasons})
        return
    table = Table("architecture", "paradigm", "surrogate", "")
    for row in rows:
        ships = "ships" if row["architecture"] in shipped else "-"
        table.add_row(row["architecture"], row["paradigm"], ships, escape(row["unavailable"] or ""))
    out.print(table)
    if registered:
        own = Table("registered", "architecture", "edits", "licence", "added")
        for record in registered:
            name = f"{record.name} (twin)" if record.twin else record.name
            edits = ", ".join(record.config.get("edits", ()))
            own.add_row(name, record.architecture, escape(edits), escape(record.licence or "not stated"), record.added)
        out.print(own)
    for reason in reasons.values():
        complain(reason)


@app.command()
@reporting_errors
def check(
    file: Annotated[Path, typer.Argument(help="A checkpoint: safetensors or PyTorch. Code in it never runs.")],
    json_: Json = False,
) -> None:
    """Say whether a checkpoint fits, which architecture it is, and what it takes to keep score with it."""
    from worker.commands._targets import tried_here  # noqa: PLC0415 - torch takes a second to import

    with tempfile.TemporaryDirectory() as folder:
        found = tried_here(file, Path(folder))
    info = found.info
    if json_:
        cost = {"edit_seconds": found.edit_seconds, "face_seconds": found.face_seconds, "megabytes": found.megabytes}
        print_json({**asdict(info), **cost})
        return
    table = Table(show_header=False, box=None)
    table.add_row("architecture", f"{info.architecture} ({info.paradigm})")
    table.add_row("parameters", f"{info.parameters:,}")
    table.add_row("size", f"{info.bytes:,} bytes")
    table.add_row("sha256", info.sha256)
    table.add_row("one face", f"{found.face_seconds:.1f} s of one processor, {found.megabytes} MB")
    for name, value in info.config.items():
        table.add_row(name, escape(", ".join(value) if name == "edits" else str(value)))
    out.print(table)
