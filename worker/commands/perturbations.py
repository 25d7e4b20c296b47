"""``poise perturbations``: the versions at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from worker.commands._common import Json, out, print_json, reporting_errors

app = typer.Typer(no_args_is_help=True, help="Trained perturbations.")


@app.command("list")
@reporting_errors
def list_versions(json_: Json = False) -> None:
    """Name the versions Poise knows, the active one marked."""
    from perturbations.artifact import active  # noqa: PLC0415

    version = active()
    rows = [{"version": version.version, "epsilon": version.epsilon, "active": True, "origin": "shipped"}]
    if json_:
        print_json({"perturbations": rows})
        return
    table = Table("version", "epsilon", "active", "origin")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)


@app.command()
@reporting_errors
def show(
    folder: Annotated[
        Path | None, typer.Argument(help="A perturbation's folder; the active version by default.")
    ] = None,
    json_: Json = False,
) -> None:
    """Show how a version was trained and what it does."""
    from perturbations.artifact import active, load  # noqa: PLC0415

    version = active() if folder is None else load(folder)
    document: dict[str, Any] = {key: value for key, value in version.sidecar.items() if key != "curve"}
    if json_:
        print_json(document)
        return
    table = Table(title=f"{version.version}, epsilon {version.epsilon:g}")
    for heading in ("architecture", "L2mask", "interrupted", "twin", "attainable", "gives way at epsilon"):
        table.add_column(heading)
    for name, row in document["effect"]["architectures"].items():
        twin = row["twin"]
        breaks_at = document["breaks_at"].get(name)
        table.add_row(
            name,
            f"{row['l2_mask']:.3f}",
            f"{row['success_rate']:.1%}",
            "" if twin is None else f"{twin['l2_mask']:.3f}  {twin['success_rate']:.1%}",
            f"{document['attainable'][name]:.3f}",
            "more than tried" if breaks_at is None else f"{breaks_at:g}",
        )
    out.print(table)
