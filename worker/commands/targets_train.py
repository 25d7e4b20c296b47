"""``poise targets train``: a surrogate of our own, of one of the published architectures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from perturbations.errors import BadInput
from worker.commands._common import Json, err, out, print_json, reporting_errors
from worker.commands._faces import Faces, MoreFaces

if TYPE_CHECKING:
    import torch

    from perturbations.surrogates.faces import LabelledFaces
    from perturbations.surrogates.networks import AttributeClassifier

GRID_FACES = 8


@reporting_errors
def train(
    name: Annotated[str, typer.Argument(help="The architecture.")],
    faces: Faces,
    out_: Annotated[
        Path, typer.Option("--out", help="Folder for checkpoints, the surrogate, its grid and its metrics.")
    ],
    more: MoreFaces = None,
    validation: Annotated[
        Path | None, typer.Option(help="Labelled faces to measure on; without it nothing is measured.")
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(help="Where the judge of edits is kept; trained if missing.")
    ] = None,
    identity_judge: Annotated[
        Path | None, typer.Option(help="Face swap: where the judge of identities is kept; trained if missing.")
    ] = None,
    identity_steps: Annotated[int, typer.Option(min=1, help="Face swap: steps of each identity encoder.")] = 4000,
    people: Annotated[
        Path | None, typer.Option(help="Face swap: photos named Name_Surname_0001.jpg, to verify the encoders on.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1)] = 3000,
    image_size: Annotated[int, typer.Option(min=32, help="A power of two.")] = 64,
    width: Annotated[int, typer.Option(min=4, help="Channels of the first layer.")] = 32,
    half: Annotated[
        int | None, typer.Option(min=0, max=1, help="Train on this half of the faces; twins take the other.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="A surrogate of this architecture and width to begin with.", exists=True)
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            help="latent_diffusion: a published autoencoder, file or folder; only our editor is trained, in its space.",
            exists=True,
        ),
    ] = None,
    seed: int = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1; the fastest by default.")] = "",
    json_: Json = False,
) -> None:
    """Train a surrogate on labelled faces (named age_gender_race_date as UTKFace); goes on where it was killed."""
    import torch  # noqa: PLC0415

    from perturbations.surrogates.card import model_card  # noqa: PLC0415
    from perturbations.surrogates.faces import LabelledFaces  # noqa: PLC0415
    from perturbations.surrogates.grid import save_grid  # noqa: PLC0415
    from perturbations.surrogates.metrics import measure  # noqa: PLC0415
    from perturbations.surrogates.swap_card import swap_card  # noqa: PLC0415
    from perturbations.surrogates.training import Run, SurrogateTraining  # noqa: PLC0415
    from perturbations.targets.checkpoints import (  # noqa: PLC0415
        inspect_checkpoint,
        load_checkpoint,
        save_checkpoint,
        sha256,
    )
    from perturbations.targets.faceswap import FaceSwap  # noqa: PLC0415
    from worker.commands import _face_swap  # noqa: PLC0415
    from worker.commands._targets import pick_device  # noqa: PLC0415

    if autoencoder is not None and name != "latent_diffusion":
        raise BadInput(f"--autoencoder is for latent_diffusion, {name} has none")
    if image_size & (image_size - 1):
        raise BadInput(f"--image-size must be a power of two, got {image_size}")
    on = pick_device(device)
    config = SurrogateTraining(
        architecture=name,
        image_size=image_size,
        width=width,
        seed=seed,
        half=half,
        steps=steps,
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
    sources = [*faces, *(more or [])]
    swap = _face_swap.SwapOptions(identity_steps, identity_judge or out_ / "identity-judge.safetensors", people)
    with Progress(console=err) as bar:
        reading = bar.add_task("reading faces")
        data = LabelledFaces(
            sources, size=image_size, half=half, progress=lambda n, total: bar.update(reading, completed=n, total=total)
        )
        _face_swap.equip(run, data, sources, swap, bar)
        training = bar.add_task(name, total=steps, completed=run.step)
        for progress in run.train(data):
            bar.update(training, completed=progress.step)
    target = run.recipe.averaged_target().cpu()
    card = {"training": asdict(config), "faces": len(data), "seconds": round(run.seconds)}
    if validation is not None:
        shown = LabelledFaces([validation], size=image_size)
        if isinstance(target, FaceSwap):
            card |= _face_swap.figures(target, run, sources, validation, swap)
        else:
            judge, judged = _judge(classifier or out_ / "classifier.safetensors", sources, shown, device=on)
            card["classifier_accuracy"] = judged
            card["metrics"] = asdict(measure(target, judge, shown))
        describe = swap_card if isinstance(target, FaceSwap) else model_card
        machine = f"{on.type}, {torch.get_num_threads()} threads"
        (out_ / "card.md").write_text(describe(out_.name, card, machine=machine))
    save_grid(target, (data if validation is None else shown).images[:GRID_FACES], out_ / "grid.png")
    path = out_ / f"{name}.safetensors"
    save_checkpoint(target, path, extra={})
    (out_ / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    if json_:
        print_json({"checkpoint": str(path), **card})
        return
    out.print(f"wrote {path}, {out_ / 'grid.png'} and {out_ / 'card.json'}")


def _judge(
    path: Path, sources: list[Path], shown: LabelledFaces, *, device: torch.device
) -> tuple[AttributeClassifier, dict[str, float]]:
    """The classifier kept at ``path``, trained first if there is none, with its accuracy on the validation faces."""
    from perturbations.surrogates.classifier import (  # noqa: PLC0415
        ClassifierTraining,
        accuracy,
        load_classifier,
        save_classifier,
        train_classifier,
    )
    from perturbations.surrogates.faces import LabelledFaces  # noqa: PLC0415

    if not path.exists():
        config = ClassifierTraining()
        everything = LabelledFaces(sources, size=shown.images.shape[1])
        with Progress(console=err) as bar:
            task = bar.add_task("judge of edits", total=config.steps)
            for step, _, trained in train_classifier(everything, config, device=device):
                bar.update(task, completed=step)
                classifier = trained
        save_classifier(classifier, path)
    judge = load_classifier(path)
    return judge, accuracy(judge, shown, device=next(judge.parameters()).device)
