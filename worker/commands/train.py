"""``poise train``: a new perturbation against the chosen targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.contracts.names import DEFAULT_WEIGHTING
from perturbations.errors import BadInput
from worker.commands._common import Json, err, out, print_json, reporting_errors
from worker.commands._faces import FacesOrShipped, MoreFaces
from worker.commands._installation import installation


@reporting_errors
def train(
    out_: Annotated[Path, typer.Option("--out", help="Folder for checkpoints and the finished perturbation.")],
    faces: FacesOrShipped = None,
    more: MoreFaces = None,
    weighting: Annotated[
        str, typer.Option(help="How targets share the perturbation, such as aef; an unknown name lists them all.")
    ] = DEFAULT_WEIGHTING,
    targets: Annotated[str, typer.Option(help="Comma-separated names of targets. Default: all.")] = "",
    epsilon: Annotated[
        float, typer.Option(help="L-infinity bound in the image range [-1, 1]; 0.05 is 6 of 255.")
    ] = 0.05,
    preset: Annotated[
        str, typer.Option(help="How long to train, such as quick; an unknown name lists them all.")
    ] = "full",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in place of the preset's.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A hyper-parameter in place of the preset's, such as rms=0.5, or one of the weighting, such as "
            "weighting.floor=0.3. An unknown name lists them all. Give it as often as you like.",
        ),
    ] = None,
    warm_start: Annotated[
        str, typer.Option(help="Start from this version, by name or folder. Default: at random.")
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1. Default: the fastest.")] = "",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[Path | None, typer.Option(help="Continue the killed training in this folder.")] = None,
    json_: Json = False,
) -> None:
    """Train a universal perturbation. A killed training resumes when started again with the same options.

    Faces are taken from all folders and ZIPs in turn, so that a small one counts as much as a large one. What the warm
    start and the active version say is attainable on the same checkpoint at the same bound is not trained again.
    """
    from perturbations.data.framed import framed_faces  # noqa: PLC0415
    from perturbations.data.synthetic import synthetic_faces  # noqa: PLC0415
    from perturbations.training import preset as preset_config  # noqa: PLC0415
    from perturbations.training.run import Stage, TrainingRun  # noqa: PLC0415
    from perturbations.weighting.registry import weighting_class  # noqa: PLC0415
    from worker.commands._hyper_parameters import changed  # noqa: PLC0415
    from worker.commands._targets import chosen, pick_device  # noqa: PLC0415
    from worker.commands._versions import found  # noqa: PLC0415

    if resume is not None and not (resume / "run.json").exists():
        raise BadInput(f"there is no training to resume in {resume}")
    weighting_class(weighting)  # an unknown one is told before anything is read
    try:
        config = preset_config(preset, weighting=weighting, epsilon=epsilon, seed=seed, steps=steps)
    except ValueError as error:
        raise BadInput(str(error)) from error
    config = changed(config, settings or ())
    start = found(warm_start) if warm_start else None
    on = pick_device(device)
    surrogates, twins, hashes = chosen(targets, device=on)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err
    )
    with bar:
        reading = bar.add_task("reading faces")
        tasks: dict[str, Any] = {}

        def on_step(stage: Stage) -> None:
            if stage.name not in tasks:
                tasks[stage.name] = bar.add_task(stage.name, total=stage.report.steps)
            effect = ", ".join(f"{k} {v:.3f}" for k, v in stage.report.effect.items() if v is not None)
            bar.update(tasks[stage.name], completed=stage.report.step, description=f"{stage.name}: {effect}")

        run = TrainingRun(
            config,
            targets=surrogates,
            twins=twins,
            faces=framed_faces(
                [*(faces or []), *(more or [])] or [synthetic_faces()], seed=seed, locator=installation().locator
            ),
            folder=resume or out_,
            hashes=hashes,
            device=on,
            start=None if start is None else start.delta,
            known=[version.sidecar for version in (start, found()) if version is not None],
            on_step=on_step,
            on_face=lambda done, total: bar.update(reading, completed=done, total=total),
        )
        perturbation = run.run()
    if json_:
        print_json({"folder": str(resume or out_), **perturbation.sidecar})
        return
    out.print(f"trained [bold]{perturbation.version}[/bold] in {resume or out_}")
