"""``poise targets``: the generators Poise knows, the checkpoints that fit them, and surrogates of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from worker.commands import targets_train
from worker.commands._common import Json, out, print_json, reporting_errors

app = typer.Typer(no_args_is_help=True, help="Generators to interrupt, and their checkpoints.")
app.command("train")(targets_train.train)


@app.command("list")
@reporting_errors
def list_architectures(json_: Json = False) -> None:
    """Name the known architectures."""
    from perturbations.targets import architecture, names  # noqa: PLC0415 - torch takes a second to import

    rows = [{"architecture": name, "paradigm": architecture(name).paradigm} for name in names()]
    if json_:
        print_json({"architectures": rows})
        return
    table = Table("architecture", "paradigm")
    for row in rows:
        table.add_row(row["architecture"], row["paradigm"])
    out.print(table)


@app.command()
@reporting_errors
def check(
    file: Annotated[Path, typer.Argument(help="A checkpoint: safetensors or PyTorch. Code in it never runs.")],
    json_: Json = False,
) -> None:
    """Say whether a checkpoint fits, and which architecture it is."""
    from perturbations.targets import inspect_checkpoint  # noqa: PLC0415 - torch takes a second to import

    info = inspect_checkpoint(file)
    if json_:
        print_json(info)
        return
    table = Table(show_header=False, box=None)
    table.add_row("architecture", f"{info.architecture} ({info.paradigm})")
    table.add_row("parameters", f"{info.parameters:,}")
    table.add_row("size", f"{info.bytes:,} bytes")
    table.add_row("sha256", info.sha256)
    for name, value in info.config.items():
        table.add_row(name, escape(", ".join(value) if name == "edits" else str(value)))
    out.print(table)
