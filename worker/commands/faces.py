"""``poise faces``, for maintainers: the synthetic faces that ship and the networks that draw them."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from perturbations.errors import BadInput
from worker.commands._common import Json, err, out, print_json, reporting_errors
from worker.commands._faces import Faces, MoreFaces
from worker.commands._installation import installation

app = typer.Typer(no_args_is_help=True, help="Faces of nobody: train the networks that draw them, and draw.")


class Network(StrEnum):
    """The two networks."""

    small = "small"
    upscaler = "upscaler"


@app.command()
@reporting_errors
def train(
    network: Annotated[
        Network, typer.Argument(help="The network that draws at 32 pixels, or the one that enlarges to 128.")
    ],
    faces: Faces,
    out_: Annotated[Path, typer.Option("--out", help="Folder for checkpoints and a grid of what it draws.")],
    more: MoreFaces = None,
    small: Annotated[
        Path | None, typer.Option(help="For the upscaler: folder of the trained drawer, to learn on its faces too.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1)] = 12_000,
    width: Annotated[int | None, typer.Option(min=8, help="Channels at the finest resolution.")] = None,
    seed: int = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1. Default: the fastest.")] = "",
    json_: Json = False,
) -> None:
    """Train one of the two networks on labelled faces (named as in UTKFace). A killed training resumes."""
    from perturbations.lab.surrogates.faces import LabelledFaces  # noqa: PLC0415 - torch takes a second to import
    from perturbations.lab.synthesis.decoder import SMALL  # noqa: PLC0415
    from perturbations.lab.synthesis.grid import save_drawn, save_upscaled  # noqa: PLC0415
    from perturbations.lab.synthesis.training import SynthesisTraining, small_run, trained_small, upscaler_run  # noqa: PLC0415
    from perturbations.lab.synthesis.upscaler import LARGE  # noqa: PLC0415
    from worker.commands._targets import pick_device  # noqa: PLC0415

    on = pick_device(device)
    drawing = network is Network.small
    if drawing and small is not None:
        raise BadInput("--small is only for the upscaler")
    config = SynthesisTraining(network=network.value, width=width or (48 if drawing else 64), seed=seed, steps=steps)
    size = SMALL if drawing else LARGE
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as bar:
        reading = bar.add_task("reading faces")
        data = LabelledFaces(
            [*faces, *(more or [])],
            size=size,
            progress=lambda n, total: bar.update(reading, completed=n, total=total),
        )
        drawer = None if small is None else trained_small(small).averaged()
        run = small_run(config, out_, device=on) if drawing else upscaler_run(config, out_, device=on, small=drawer)
        training = bar.add_task(network.value, total=steps, completed=run.step)
        for progress in run.train(data):
            losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
            bar.update(training, completed=progress.step, description=f"{network.value}: {losses}")
    grid = out_ / "grid.png"
    if drawing:
        save_drawn(trained_small(out_).averaged(), grid)
    else:
        save_upscaled(run.recipe.averaged(), data.images[:8], grid, small=drawer)  # type: ignore[arg-type]
    if json_:
        print_json({"checkpoint": str(out_ / "checkpoint.pt"), "steps": run.step, "seconds": round(run.seconds)})
        return
    out.print(f"trained {network.value} in {out_}; look at {grid}")


@app.command()
@reporting_errors
def sample(
    small: Annotated[Path, typer.Option(help="Folder of the trained drawer.")],
    upscaler: Annotated[Path, typer.Option(help="Folder of the trained upscaler.")],
    classifier: Annotated[
        Path, typer.Option(help="The judge that `poise targets train` keeps: it labels and compares.")
    ],
    faces: Faces,
    out_: Annotated[Path, typer.Option("--out", help="The archive to write.")],
    more: MoreFaces = None,
    count: Annotated[int, typer.Option(min=4, help="How many faces, a quarter for each group.")] = 256,
    candidates: Annotated[int, typer.Option(min=64, help="How many candidates are drawn.")] = 16_384,
    spread: Annotated[float, typer.Option(min=0.1, max=1.5, help="Below 1: more ordinary faces, better drawn.")] = 0.8,
    judging_steps: Annotated[
        int, typer.Option(min=1, help="Steps for which a judge learns to tell drawings from photos.")
    ] = 1500,
    seed: int = 0,
    json_: Json = False,
) -> None:
    """Draw faces and pack them. --faces names what the networks were trained on; no drawing may be near it."""
    import numpy as np  # noqa: PLC0415 - not needed to name the commands

    from perturbations.lab.surrogates.classifier import load_classifier  # noqa: PLC0415
    from perturbations.lab.surrogates.faces import LabelledFaces  # noqa: PLC0415
    from perturbations.lab.synthesis.grid import save_faces  # noqa: PLC0415
    from perturbations.lab.synthesis.nearness import SEEN, compare, nearest, signature  # noqa: PLC0415
    from perturbations.lab.synthesis.packing import pack  # noqa: PLC0415
    from perturbations.lab.synthesis.sampling import Artist, draw_faces  # noqa: PLC0415
    from perturbations.lab.synthesis.training import trained_small, trained_upscaler  # noqa: PLC0415

    judge = load_classifier(classifier)
    artist = Artist(trained_small(small).averaged(), trained_upscaler(upscaler))
    with Progress(console=err) as bar:
        reading = bar.add_task("reading faces")
        seen = LabelledFaces(
            [*faces, *(more or [])],
            size=64,
            progress=lambda n, total: bar.update(reading, completed=n, total=total),
        ).images
        training = [signature(judge, seen, mirrored=mirrored) for mirrored in (False, True)]
        people = nearest(training[0].first(SEEN), training, skip_same=True)
        judging = bar.add_task("telling drawings from photos")
        drawn = draw_faces(
            artist,
            judge,
            photos=seen,
            training=training,
            people=people,
            count=count,
            candidates=candidates,
            spread=spread,
            judging_steps=judging_steps,
            seed=seed,
            locator=installation().locator,
            progress=lambda n, total: bar.update(judging, completed=n, total=total),
        )
    shown = signature(judge, np.stack([face.image for face in drawn]))
    report = compare(nearest(shown, training), people, training_pictures=len(seen))
    about = {"faces": len(drawn), "candidates": candidates, "spread": spread, "seed": seed, "nearness": asdict(report)}
    pack(drawn, out_, about=about)
    grid = out_.with_suffix(".png")
    save_faces(np.stack([face.image for face in drawn]), grid)
    if json_:
        print_json({"archive": str(out_), "bytes": out_.stat().st_size, **about})
        return
    out.print(f"wrote {out_} ({out_.stat().st_size:,} bytes) and {grid}; nearness: {asdict(report)}")
