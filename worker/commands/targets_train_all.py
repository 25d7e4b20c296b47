"""``poise targets train-all``: trains the surrogates that are missing, in the order of the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.commands._common import Json, err, out, print_json, reporting_errors
from worker.commands._faces import Faces, MoreFaces


@reporting_errors
def train_all(
    faces: Faces,
    out_: Annotated[Path, typer.Option("--out", help="Folder for all networks and judges.")],
    more: MoreFaces = None,
    validation: Annotated[
        Path | None, typer.Option(help="Labelled faces to measure on; nothing is measured without them.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="Photos named Name_Surname_0001.jpg, to verify identity encoders on.")
    ] = None,
    only: Annotated[str, typer.Option(help="Comma-separated names of the manifest; all by default.")] = "",
    upto: Annotated[int, typer.Option(help="Stop at this size.")] = 256,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure on at most this many validation faces.")] = None,
    identity_steps: Annotated[int, typer.Option(min=1, help="Training steps of each identity encoder.")] = 4000,
    manifest: Annotated[
        Path | None, typer.Option(help="Another manifest than the one that ships.", exists=True)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1; the fastest by default.")] = "",
    json_: Json = False,
) -> None:
    """Train the surrogates of the manifest that are missing: all to one size before any goes on to the next.

    It can be killed at any time, and resumes where it was.
    """
    from perturbations.errors import UnknownName  # noqa: PLC0415
    from perturbations.lab.surrogates.keeping import read_card  # noqa: PLC0415
    from perturbations.lab.surrogates.manifest import MANIFEST, legs, networks  # noqa: PLC0415
    from perturbations.lab.surrogates.training import Run  # noqa: PLC0415
    from worker.commands._face_swap import SwapOptions  # noqa: PLC0415
    from worker.commands._surrogates import Workshop  # noqa: PLC0415
    from worker.commands._targets import pick_device  # noqa: PLC0415

    rows = networks(manifest or MANIFEST)
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    for name in wanted:
        if name not in {row.name for row in rows}:
            raise UnknownName("network of the manifest", name, [row.name for row in rows])
    workshop = Workshop(
        sources=[*faces, *(more or [])],
        validation=validation,
        judge=lambda size: out_ / f"judge-{size}.safetensors",
        swap=SwapOptions(identity_steps, out_ / "identity-judge.safetensors", people),
        device=pick_device(device),
        limit=limit,
    )
    done = []
    for leg in legs([row for row in rows if not wanted or row.name in wanted]):
        folder = out_ / leg.network.name / str(leg.size)
        if leg.size > upto:
            continue
        err.print(f"{leg.network.name}, {leg.size} pixels")
        if not read_card(folder):
            run = Run(leg.network.training, out_ / leg.network.name, device=workshop.device)
            workshop.train(run, until=leg.until)
            workshop.keep(run, folder)
        if validation is not None and "metrics" not in read_card(folder):
            workshop.describe(folder, name=leg.network.name)
        done.append({"network": leg.network.name, "size": leg.size, "folder": str(folder)})
    if json_:
        print_json({"trained": done})
        return
    out.print(f"{len(done)} trainings are complete in {out_}")
