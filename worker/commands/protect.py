"""``poise protect``: protect pictures and folders offline."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.contracts.settings import BadSettings
from perturbations.errors import BadInput, PoiseError, UnknownName
from worker.commands._common import FAILURE, Json, complain, err, out, print_json, remark, reporting_errors, shown
from worker.commands._installation import installation
from worker.commands._pictures import is_picture, named_for, read_picture
from worker.commands._versions import found
from worker.credentials import credentials_of

if TYPE_CHECKING:
    from app.contracts.settings import Settings
    from perturbations.artifact import Perturbation
    from perturbations.faces import Locate
    from perturbations.strength import Strength
    from worker.credentials import Credentials

MUCH_LARGER: Final = 1.5
"""A copy that is this many times as large as its photo gets a remark."""


@dataclass(frozen=True, slots=True)
class Job:
    """A picture, and where its copy goes before the format decides on the suffix, relative to the output folder."""

    source: Path
    relative: Path


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all pictures get.

    format: of their copies. strength: how much is added. locator: finds their faces. prohibit_mining, credentials: what
    their copies say.
    """

    perturbation: Perturbation
    format: str
    strength: Strength
    locator: Locate
    prohibit_mining: bool
    credentials: Credentials | None = None


@reporting_errors
def protect(
    paths: Annotated[list[Path], typer.Argument(help="Pictures and folders.", exists=True)],
    to: Annotated[Path, typer.Option("--out", help="Folder for the protected copies.", file_okay=False)],
    format_: Annotated[str, typer.Option("--format", help="keep, png, jpeg or webp.")] = "keep",
    strength: Annotated[str, typer.Option(help="How much is added: subtle, standard or strong.")] = "standard",
    json_: Json = False,
) -> None:
    """Protect pictures; folders keep their structure below --out. No input is ever overwritten."""
    from perturbations.photo import FORMATS  # noqa: PLC0415 - torch takes a second to import
    from perturbations.strength import strength_of  # noqa: PLC0415 - as above

    if format_ not in FORMATS:
        raise UnknownName("format", format_, FORMATS)
    here = installation()
    settings = here.settings
    chosen = strength_of(strength)
    recipe = Recipe(found(), format_, chosen, here.locator, settings.prohibit_data_mining, signing(settings))
    to.mkdir(parents=True, exist_ok=True)
    jobs = list(collect(paths, to))
    done, failures = run(jobs, to, recipe)
    if json_:
        version = {"version": recipe.perturbation.version, "epsilon": recipe.perturbation.epsilon}
        print_json({"perturbation": version, "photos": done, "failures": failures})
    else:
        show(done, to)
    for row in done:
        if row["bytes"] > MUCH_LARGER * row["source"].bytes:
            remark(f"{row['output']}: {growth(row)} as large as the photo; --format jpeg makes a smaller copy")
    for failure in failures:
        complain(f"{failure['input']}: {failure['error']}")
    if failures:
        raise typer.Exit(FAILURE)


def collect(paths: list[Path], to: Path) -> Iterator[Job]:
    """Every picture named, or found below a folder. Pictures in the output folder are left out."""
    output = to.resolve()
    for path in paths:
        if not path.is_dir():
            yield Job(path, Path(path.name))
            continue
        inside = output.is_relative_to(path.resolve()) and output != path.resolve()
        for folder, folders, files in os.walk(path):
            here = Path(folder)
            folders[:] = sorted(f for f in folders if not (inside and (here / f).resolve() == output))
            for name in sorted(files):
                if is_picture(here / name):
                    yield Job(here / name, (here / name).relative_to(path))


def run(jobs: list[Job], to: Path, recipe: Recipe) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Protect every job and continue after a bad one. Returns what was done, and what failed and why."""
    done: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    taken = {job.source.resolve() for job in jobs}
    columns = (TextColumn("protecting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        for job in progress.track(jobs):
            try:
                done.append(protect_file(job, to, recipe, taken))
            except (PoiseError, OSError) as error:
                failures.append({"input": str(job.source), "error": str(error)})
    return done, failures


def protect_file(job: Job, to: Path, recipe: Recipe, taken: set[Path]) -> dict[str, Any]:
    """Protect one picture and write its copy, completely or not at all. Nothing is written to paths in ``taken``.

    Raises:
        BadInput: the picture is not usable, or its copy would replace an input or another copy.
    """
    from perturbations.photo import SUFFIXES  # noqa: PLC0415 - see above
    from perturbations.protect import protect_photo  # noqa: PLC0415 - see above

    result = protect_photo(
        read_picture(job.source),
        recipe.perturbation,
        format=recipe.format,
        strength=recipe.strength,
        locator=recipe.locator,
        prohibit_mining=recipe.prohibit_mining,
    )
    if recipe.credentials is not None:
        result = replace(result, data=recipe.credentials.signed(result.data, result.media_type))
    target = named_for(to / job.relative, SUFFIXES[result.format])
    if target.resolve() in taken:
        raise BadInput(
            f"{target} is an input or the copy of another picture; choose another --out or protect it separately"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, result.data)
    taken.add(target.resolve())
    return {
        "input": str(job.source),
        "output": str(target),
        "format": result.format,
        "bytes": len(result.data),
        "source": result.source,
        "faces": result.faces,
        "regions": [
            {**asdict(region), "already_protected": already}
            for region, already in zip(result.regions, result.already_protected, strict=True)
        ],
        "coverage": result.coverage,
        "notes": result.notes,
        "quality": result.quality,
        "strength": result.strength,
    }


def signing(settings: Settings) -> Credentials | None:
    """What signs the copies.

    Raises:
        BadInput: the settings ask for it and cannot be used.
    """
    try:
        return credentials_of(settings)
    except BadSettings as error:
        raise BadInput(str(error)) from error


def write(path: Path, data: bytes) -> None:
    """Write atomically."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(partial).chmod(0o666 & ~umask)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def show(done: list[dict[str, Any]], to: Path) -> None:
    """One row per protected picture."""
    table = Table("picture", "copy", "size", "faces", "PSNR", "SSIM", "largest change")
    for row in done:
        quality = row["quality"]
        table.add_row(
            shown(row["input"]),
            shown(str(Path(row["output"]).relative_to(to))),
            f"{row['bytes'] / 1e6:.1f} MB, {growth(row)}",
            found_in(row),
            f"{quality.psnr:.1f} dB",
            f"{quality.ssim:.3f}",
            f"{quality.max_abs_diff}/255",
        )
    out.print(table)
    if any(row["faces"] for row in done):
        out.print("Anybody whose face is not counted here is not protected.")


def found_in(row: dict[str, Any]) -> str:
    """How many faces, and how many of them were already protected."""
    found = str(len(row["faces"])) if row["faces"] else "none: whole frame"
    before = sum(region["already_protected"] for region in row["regions"])
    return f"{found} ({before} protected before)" if before else found


def growth(row: dict[str, Any]) -> str:
    """How many times as large as its photo a copy is."""
    return f"{row['bytes'] / row['source'].bytes:.1f} times"
