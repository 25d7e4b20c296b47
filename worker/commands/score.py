"""``poise score``: how badly every generator fails on a protected picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from perturbations.errors import BadImage
from worker.commands._common import Json, out, print_json, remark, reporting_errors
from worker.commands._installation import installation
from worker.commands._pictures import read_picture

if TYPE_CHECKING:
    from perturbations.score import MessengerScore, PhotoScore, TwinScore


@reporting_errors
def score(
    original: Annotated[Path, typer.Argument(help="The picture before protection.", exists=True, dir_okay=False)],
    protected: Annotated[Path, typer.Argument(help="The protected copy.", exists=True, dir_okay=False)],
    json_: Json = False,
) -> None:
    """Score a protected picture against its original. The copy may have been scaled or compressed since."""
    from perturbations.score import score_photo  # noqa: PLC0415 - torch takes a second to import
    from worker.commands._targets import chosen, pick_device  # noqa: PLC0415 - as above

    here = installation()
    targets, twins, _ = chosen("", device=pick_device("cpu"))
    result = score_photo(
        contents(original),
        contents(protected),
        targets=targets,
        twins=twins,
        locator=here.locator,
        max_faces=here.settings.scored_faces,
        messenger=True,
    )
    if json_:
        print_json(result)
    else:
        show(result)


def contents(path: Path) -> bytes:
    """The bytes of a picture. An error says which of the two it is about.

    Raises:
        BadImage: it is of a kind that is not read.
    """
    try:
        return read_picture(path)
    except BadImage as error:
        raise BadImage(f"{path}: {error}") from error


def show(result: PhotoScore) -> None:
    """A table for people: L2mask and verdict for each generator and edit, for the twin, and behind a messenger."""
    table = Table("architecture", "edit", "L2mask", "interrupted", "twin", "interrupted", "messenger", "interrupted")
    for row in result.scores:
        others = [cell for one in (row.twin, row.after_messenger) for cell in cells(one)]
        table.add_row(row.architecture, "all", figure(row.l2_mask), verdict(row.interrupted), *others)
        for edit in row.edits:
            table.add_row("", edit.edit, figure(edit.l2_mask), verdict(edit.interrupted), "", "", "", "")
    out.print(table)
    summary = result.summary
    weakest = f", weakest {summary.weakest}" if summary.weakest else ""
    balance = f", balance {summary.balance:.2f}" if summary.balance is not None else ""
    out.print(f"{summary.interrupted} of {summary.architectures} generators interrupted{weakest}{balance}")
    if summary.interrupted_after_messenger is not None:
        out.print(f"{summary.interrupted_after_messenger} of them once a messenger has sent the copy on")
    for note in result.notes:
        remark(note)
    if result.faces_not_scored:
        out.print(f"{result.faces_not_scored} more faces were left out; POISE_SCORED_FACES says how many are scored")


def cells(score: TwinScore | MessengerScore | None) -> tuple[str, str]:
    """L2mask and verdict of a second score."""
    return ("-", "-") if score is None else (figure(score.l2_mask), verdict(score.interrupted))


def figure(l2_mask: float | None) -> str:
    """An L2mask, or that the edit manipulates nothing."""
    return "nothing manipulated" if l2_mask is None else f"{l2_mask:.3f}"


def verdict(interrupted: bool | None) -> str:
    """Yes, no, or nothing to say."""
    return "-" if interrupted is None else "yes" if interrupted else "no"
