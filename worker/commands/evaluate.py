"""``poise evaluate``: the effect of a perturbation on every generator, over many faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from perturbations.errors import BadInput
from worker.commands._common import Json, err, out, print_json, reporting_errors
from worker.commands._faces import Faces, MoreFaces
from worker.commands._installation import installation
from worker.commands._versions import found

if TYPE_CHECKING:
    from perturbations.evaluation import Evaluation


@reporting_errors
def evaluate(
    faces: Faces,
    more: MoreFaces = None,
    perturbation: Annotated[
        str, typer.Option(help="A version, or a folder that holds one. Default: the active version.")
    ] = "",
    targets: Annotated[str, typer.Option(help="Comma-separated names of targets. Default: all.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many faces, drawn with a fixed seed.")] = 300,
    transforms: Annotated[
        str, typer.Option(help="Comma-separated: none, paper, face256, platform, jpeg75, face256+jpeg75, ...")
    ] = "none",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1. Default: the fastest.")] = "",
    json_: Json = False,
) -> None:
    """Measure effect and quality of a perturbation on faces."""
    from perturbations.data.framed import framed_faces  # noqa: PLC0415
    from perturbations.evaluation import delivery  # noqa: PLC0415
    from perturbations.evaluation import evaluate as run  # noqa: PLC0415
    from worker.commands._targets import chosen, pick_device  # noqa: PLC0415

    names = [name.strip() for name in transforms.split(",") if name.strip()]
    if not names:
        raise BadInput("--transforms is empty; 'none' measures the protected photo as it is")
    for name in names:
        delivery(name)
    version = found(perturbation)
    attacked, twins, _ = chosen(targets, device=pick_device(device))
    with Progress(console=err) as bar:
        reading = bar.add_task("reading faces")
        framed = framed_faces([*faces, *(more or [])], locator=installation().locator).take(
            limit, progress=lambda done, total: bar.update(reading, completed=done, total=total)
        )
        attacking = bar.add_task("attacking")
        result = run(
            framed,
            version,
            attacked,
            twins=twins,
            transforms=names,
            progress=lambda done, total: bar.update(attacking, completed=done, total=total),
        )
    if json_:
        print_json(result.document())
        return
    out.print(_table(result))
    out.print(f"PSNR {result.psnr:.1f} dB, SSIM {result.ssim:.3f}, largest difference {result.max_abs_diff} of 255")


def _table(result: Evaluation) -> Table:
    table = Table(title=f"{result.perturbation} on {result.images} faces: L2mask and share interrupted")
    for heading in ("transform", "architecture", "surrogate", "twin", "attainable"):
        table.add_column(heading)
    for transform, rows in result.transforms.items():
        for name, row in rows.items():
            twin = "" if row.twin is None else f"{row.twin.l2_mask:.3f}  {row.twin.success_rate:.1%}"
            attainable = "" if row.attainable is None else f"{row.attainable:.3f}"
            surrogate = f"{row.effect.l2_mask:.3f}  {row.effect.success_rate:.1%}"
            table.add_row(transform, name, surrogate, twin, attainable)
    return table
