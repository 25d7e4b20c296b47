"""``poise perturbations``: the versions of this installation, in the storage that the service uses too.

The service may run or not. A running one picks up an activation within seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.contracts.records.versions import NoSuchVersion, NothingBefore, Version
from perturbations.errors import BadArtifact, BadInput
from worker.commands._common import Json, out, print_json, reporting_errors
from worker.commands._versions import found, installed, unknown

app = typer.Typer(no_args_is_help=True, help="Trained perturbations.")

VersionName = Annotated[str, typer.Argument(help="A version, as `poise perturbations list` names it.")]


@app.command("list")
@reporting_errors
def list_versions(json_: Json = False) -> None:
    """List the versions of this installation and mark the active one."""
    versions = installed()
    active = versions.active()
    rows = [
        {"version": v.version, "epsilon": v.epsilon, "active": v.version == active, "origin": v.origin}
        for v in versions.all()
    ]
    if json_:
        print_json({"perturbations": rows})
        return
    table = Table("version", "epsilon", "active", "origin")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)


@app.command()
@reporting_errors
def activate(version: VersionName, json_: Json = False) -> None:
    """Use a version for all photos from now on."""
    versions = installed()
    try:
        _say_active(versions.activate(version, reason="activated on the command line"), json_=json_)
    except NoSuchVersion:
        raise unknown(version, versions) from None


@app.command()
@reporting_errors
def rollback(json_: Json = False) -> None:
    """Activate the version that was active before this one."""
    try:
        _say_active(installed().roll_back(), json_=json_)
    except NothingBefore:
        raise BadInput("no other version was active before this one; activate one by name") from None


@app.command("import")
@reporting_errors
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder with perturbation.safetensors and perturbation.json.")],
    active: Annotated[bool, typer.Option("--activate", help="Activate it as well.")] = False,
    json_: Json = False,
) -> None:
    """Add a version that was trained or exported elsewhere."""
    from perturbations.artifact import load  # noqa: PLC0415 - torch takes a second to import

    try:
        load(folder)
    except BadArtifact as error:
        raise BadInput(str(error)) from error
    versions = installed()
    try:
        version = versions.add(folder, origin="imported")
    except (ValueError, KeyError) as error:
        raise BadInput(f"{folder} has no usable version: {error}") from error
    if active:
        versions.activate(version.version, reason="imported on the command line")
    if json_:
        print_json({"version": version.version, "active": versions.active() == version.version})
        return
    out.print(f"imported [bold]{version.version}[/bold]" + (", now active" if active else ""))


@app.command()
@reporting_errors
def export(
    version: VersionName,
    out_: Annotated[Path, typer.Option("--out", help="Folder to write the two files to.")],
    json_: Json = False,
) -> None:
    """Write a version's files to a folder, for another installation or a backup."""
    versions = installed()
    out_.mkdir(parents=True, exist_ok=True)
    try:
        versions.fetch(version, out_)
    except NoSuchVersion:
        raise unknown(version, versions) from None
    if json_:
        print_json({"version": version, "folder": str(out_)})
        return
    out.print(f"exported [bold]{version}[/bold] to {out_}")


@app.command()
@reporting_errors
def show(
    version: Annotated[
        str | None, typer.Argument(help="A version, or a folder that holds one. Default: the active version.")
    ] = None,
    json_: Json = False,
) -> None:
    """Show how a version was trained and its effect."""
    shown = found(version)
    document: dict[str, Any] = {key: value for key, value in shown.sidecar.items() if key != "curve"}
    if json_:
        print_json(document)
        return
    table = Table(title=f"{shown.version}, epsilon {shown.epsilon:g}")
    for heading in ("architecture", "L2mask", "interrupted", "twin", "attainable", "interrupted from epsilon"):
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


def _say_active(version: Version, *, json_: bool) -> None:
    if json_:
        print_json({"version": version.version, "active": True})
        return
    out.print(f"[bold]{version.version}[/bold] is active")
