"""Fetches public checkpoints: downloads, checks and unpacks them."""

from __future__ import annotations

import json
import shlex
import shutil
import zipfile
from pathlib import Path

from perturbations.checkpoints.details import OFFICIAL, GivenDetails
from perturbations.checkpoints.download import Progress, download
from perturbations.checkpoints.known import Known, KnownFile
from perturbations.checkpoints.loading import sha256
from perturbations.checkpoints.reading import MAX_BYTES
from perturbations.errors import BadCheckpoint, BadInput, DownloadFailed


def fetch(
    known: Known, place: Path, *, name: str | None = None, progress: Progress = lambda _here, _total: None
) -> tuple[Path, GivenDetails]:
    """Download a public checkpoint to ``place`` and check it. Returns the file and its details.

    If a download fails, the part that has arrived is kept there, and the next call resumes it.

    Args:
        name: the name to register it under, for the advice in errors; its own name by default.

    Raises:
        BadInput: it can only be downloaded by hand.
        DownloadFailed: it cannot be downloaded, or it is not the expected file.
        BadCheckpoint: its archive cannot be read.
    """
    name = name or known.name
    if known.by_hand is not None:
        raise BadInput(f"{known.name} cannot be fetched, {known.by_hand}\n{by_hand(known, name)}")
    try:
        paths = [_brought(file, place, progress) for file in known.files]
    except DownloadFailed as error:
        raise DownloadFailed(f"{error}\n{by_hand(known, name)}") from error
    # a table names edits only if those of the published checkpoint do not fit
    edits = OFFICIAL if known.edits is None else known.edits
    return paths[0], GivenDetails(architecture=known.architecture, image_size=known.image_size, edits=edits)


def by_hand(known: Known, name: str) -> str:
    """Advice for a download that does not work."""
    file = known.files[0].member or known.files[0].name if known.files else "FILE"
    command = ["poise", "targets", "add", name, "--checkpoint", Path(file).name, "--architecture", known.architecture]
    command += ["--image-size", str(known.image_size), "--licence", known.licence]
    command += ["--edits", OFFICIAL if known.edits is None else json.dumps(known.edits)]
    where = "".join(f"\n  {address}" for address in (*(file.address for file in known.files), known.page))
    return f"Download it on another machine from:{where}\nand register the file on this one:\n  {shlex.join(command)}"


def _brought(file: KnownFile, place: Path, progress: Progress) -> Path:
    """Download and check a file, and take it out of its archive if it is in one."""
    path = place / file.name
    download(file.address, path, size=file.bytes, sha256=file.sha256, progress=progress)
    if file.member is None:
        return path
    out = place / Path(file.member).name
    try:
        _take_out(path, file.member, out)
    except BadCheckpoint:
        path.unlink()
        raise
    if file.member_sha256 is not None and sha256(out) != file.member_sha256:
        raise DownloadFailed(f"{file.member} in {file.address} is not the expected file: SHA-256 {sha256(out)}")
    return out


def _take_out(archive: Path, member: str, out: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as files:
            found = [e for e in files.infolist() if e.filename == member or e.filename.endswith(f"/{member}")]
            if len(found) != 1:
                raise BadCheckpoint(f"{archive.name} has {len(found)} files called {member}, not one")
            if found[0].file_size > MAX_BYTES:
                raise BadCheckpoint(f"{member} in {archive.name} has more than {MAX_BYTES} bytes, the limit")
            with files.open(found[0]) as source, out.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadCheckpoint(f"{archive.name} is not a readable ZIP archive: {error}") from error
