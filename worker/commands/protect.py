"""``poise protect``: protect pictures and folders offline."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.contracts.settings import BadSettings
from perturbations.errors import BadInput, PoiseError, UnknownName
from worker.commands._common import FAILURE, Json, complain, err, out, print_json, remark, reporting_errors, shown
from worker.commands._copy_names import CopyNames, folded
from worker.commands._installation import installation
from worker.commands._pictures import is_picture, read_picture
from worker.commands._versions import found
from worker.credentials import credentials_of

if TYPE_CHECKING:
    from app.contracts.settings import Settings
    from perturbations.artifact import Perturbation
    from perturbations.faces import Locate
    from perturbations.strength import Strength
    from worker.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Job:
    """A picture, and where its copy goes before the format decides on the suffix, relative to the output folder."""

    source: Path
    relative: Path


class Places:
    """Where the copies of some jobs go, below ``to``. Nothing is written over an input or another copy."""

    def __init__(self, jobs: list[Job], to: Path) -> None:
        self._to = to
        self._names = CopyNames((job.source, job.relative) for job in jobs)
        self._inputs = {_file(job.source) for job in jobs}
        self._copies: dict[str, Path] = {}

    def take(self, job: Job, suffixes: tuple[str, ...]) -> Path:
        """The place of a job's copy, which ends in one of ``suffixes``; nobody else gets it.

        Raises:
            BadInput: it is that of an input or another copy.
        """
        name = self._names.of(job.relative, suffixes)
        place = self._to / name
        if place.exists() and _file(place) in self._inputs:
            raise BadInput(f"the copy would replace {place}, which is an input; choose another --out")
        other = self._copies.setdefault(folded(name), job.source)
        if other != job.source:
            raise BadInput(f"the copy would replace that of {other}, {place}; protect it with another --out")
        return place


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
    """Protect pictures; folders keep their structure below --out. No input is ever overwritten.

    A copy in another format takes the suffix of that. If there is another picture of the same name but for its suffix,
    it keeps its own as well: the copy of IMG_2.heic beside IMG_2.jpg is IMG_2.heic.jpg.
    """
    from perturbations.photo import FORMATS  # noqa: PLC0415 - torch takes a second to import
    from perturbations.strength import strength_of  # noqa: PLC0415 - as above

    if format_ not in FORMATS:
        raise UnknownName("format", format_, FORMATS)
    here = installation()
    settings = here.settings
    chosen = strength_of(strength)
    recipe = Recipe(found(), format_, chosen, here.locator, settings.prohibit_data_mining, signing(settings))
    to.mkdir(parents=True, exist_ok=True)
    jobs, unread = collect(paths, to)
    done, failures, remarks = run(jobs, to, recipe)
    failures = unread + failures
    if json_:
        version = {"version": recipe.perturbation.version, "epsilon": recipe.perturbation.epsilon}
        print_json({"perturbation": version, "photos": done, "failures": failures})
    else:
        show(done, to)
    for sentence, copies in remarks.items():
        more = f" and {len(copies) - 1} more" if len(copies) > 1 else ""
        remark(f"{copies[0]}{more}: {sentence}")
    for failure in failures:
        complain(f"{failure['input']}: {failure['error']}")
    if failures:
        raise typer.Exit(FAILURE)


def collect(paths: list[Path], to: Path) -> tuple[list[Job], list[dict[str, Any]]]:
    """Every picture named, or found below a folder, once; and the folders that could not be read, and why.

    Pictures in the output folder are left out.
    """
    output = to.resolve()
    jobs: list[Job] = []
    unread: list[OSError] = []
    for path in paths:
        if not path.is_dir():
            jobs.append(Job(path, Path(path.name)))
            continue
        for folder, folders, files in os.walk(path, onerror=unread.append):
            here = Path(folder)
            folders[:] = sorted(f for f in folders if (here / f).resolve() != output)
            for name in folders:
                if (here / name).is_symlink():
                    remark(f"{here / name} is a link to a folder and was left out; name it to protect what is in it")
            pictures = filter(is_picture, (here / name for name in sorted(files)))
            jobs.extend(Job(picture, picture.relative_to(path)) for picture in pictures)
    failures = [{"input": str(error.filename), "error": f"this folder cannot be read: {error}"} for error in unread]
    return list(dict.fromkeys(jobs)), failures


def run(
    jobs: list[Job], to: Path, recipe: Recipe
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, list[str]]]:
    """Protect every job and continue after a bad one.

    Returns what was done, what failed and why, and what there is to say about copies, with those it is about.
    """
    done: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    remarks: dict[str, list[str]] = {}
    places = Places(jobs, to)
    columns = (TextColumn("protecting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        for job in progress.track(jobs):
            try:
                row, sentences = protect_file(job, places, recipe)
                done.append(row)
                for sentence in sentences:
                    remarks.setdefault(sentence, []).append(row["output"])
            except (PoiseError, OSError) as error:
                failures.append({"input": str(job.source), "error": str(error)})
    return done, failures, remarks


def protect_file(job: Job, places: Places, recipe: Recipe) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Protect one picture and write its copy, completely or not at all. Returns what was done, and sentences about it.

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
    target = places.take(job, SUFFIXES[result.format])
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, result.data)
    row = {
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
    return row, result.about_copy


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


def _file(path: Path) -> tuple[int, int] | Path:
    """Which file a path leads to, by whatever name."""
    try:
        about = path.stat()
    except OSError:
        return path
    return about.st_dev, about.st_ino


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
