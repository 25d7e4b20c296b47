"""``poise targets train``: trains a surrogate of a published architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perturbations.errors import BadInput
from worker.commands._common import Json, out, print_json, reporting_errors
from worker.commands._faces import Faces, MoreFaces


@reporting_errors
def train(
    name: Annotated[str, typer.Argument(help="The architecture.")],
    faces: Faces,
    out_: Annotated[
        Path, typer.Option("--out", help="Folder for checkpoints, the surrogate, its grid and its metrics.")
    ],
    more: MoreFaces = None,
    validation: Annotated[
        Path | None, typer.Option(help="Labelled faces to measure on; nothing is measured without them.")
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(help="File of the classifier that judges edits; trained if missing.")
    ] = None,
    identity_judge: Annotated[
        Path | None, typer.Option(help="Face swap: file of the network that judges identities; trained if missing.")
    ] = None,
    identity_steps: Annotated[
        int, typer.Option(min=1, help="Face swap: training steps of each identity encoder.")
    ] = 4000,
    people: Annotated[
        Path | None, typer.Option(help="Face swap: photos named Name_Surname_0001.jpg, to verify the encoders on.")
    ] = None,
    stages: Annotated[
        str, typer.Option(help="The sizes to grow through and the steps at each; every size is twice the previous one.")
    ] = "64:2400,128:700,256:600",
    width: Annotated[int, typer.Option(min=4, help="Channels of the first layer.")] = 32,
    half: Annotated[
        int | None, typer.Option(min=0, max=1, help="Train on this half of the faces; twins use the other half.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="A surrogate of this architecture and width to start from.", exists=True)
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            help="latent_diffusion: a published autoencoder, file or folder; only the editor is trained.",
            exists=True,
        ),
    ] = None,
    seed: int = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1; the fastest by default.")] = "",
    json_: Json = False,
) -> None:
    """Train a surrogate on labelled faces (named age_gender_race_date as in UTKFace). Resumes if it was killed."""
    from perturbations.checkpoints.loading import inspect_checkpoint, load_checkpoint, sha256  # noqa: PLC0415
    from perturbations.lab.surrogates.keeping import CARD, weights  # noqa: PLC0415
    from perturbations.lab.surrogates.training import Run, SurrogateTraining  # noqa: PLC0415
    from worker.commands._face_swap import SwapOptions  # noqa: PLC0415
    from worker.commands._surrogates import Workshop  # noqa: PLC0415
    from worker.commands._targets import pick_device  # noqa: PLC0415

    if autoencoder is not None and name != "latent_diffusion":
        raise BadInput(f"--autoencoder is only for latent_diffusion; {name} has no autoencoder")
    on = pick_device(device)
    config = SurrogateTraining(
        architecture=name,
        stages=stages,
        width=width,
        seed=seed,
        half=half,
        start=None if start is None else sha256(start),
        autoencoder=None if autoencoder is None else inspect_checkpoint(autoencoder).sha256,
    )
    run = Run(
        config,
        out_,
        device=on,
        start=None if start is None else load_checkpoint(start),
        autoencoder=None if autoencoder is None else load_checkpoint(autoencoder),
    )
    workshop = Workshop(
        sources=[*faces, *(more or [])],
        validation=validation,
        judge=lambda size: classifier or out_ / f"judge-{size}.safetensors",
        swap=SwapOptions(identity_steps, identity_judge or out_ / "identity-judge.safetensors", people),
        device=on,
    )
    workshop.train(run)
    workshop.keep(run, out_)
    card = workshop.describe(out_, name=out_.name)
    path = weights(out_, name)
    if json_:
        print_json({"checkpoint": str(path), **card})
        return
    out.print(f"wrote {path}, {out_ / 'grid.png'} and {out_ / CARD}")
