"""Public checkpoints: their addresses, authors, sizes and hashes. The table is pure data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perturbations.errors import BadInput, UnknownName

TABLE: Final = Path(__file__).parents[1] / "assets" / "known-checkpoints.toml"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"https?://[^/\s]+/\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file to download. bytes, sha256: of the download, if known.

    member: for a ZIP archive, the file to take out of it: a path in it, or the end of one.
    """

    address: str
    bytes: int | None = None
    sha256: str | None = None
    member: str | None = None
    member_sha256: str | None = None

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f"{self.address!r} is not an http or https address")
        for digest in (self.sha256, self.member_sha256):
            if digest is not None and not _SHA256.fullmatch(digest):
                raise ValueError(f"{digest!r} is not a SHA-256")

    @property
    def name(self) -> str:
        """Its file name at its address."""
        return self.address.partition("?")[0].rpartition("/")[2] or "checkpoint"

    @property
    def proven(self) -> bool:
        """Whether its hash is known."""
        return (self.sha256 or self.member_sha256) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A public checkpoint. edits: if those of its architecture do not fit; by_hand: why it cannot be fetched."""

    name: str
    architecture: str
    paper: str
    licence: str
    page: str
    image_size: int
    edits: Any = None
    by_hand: str | None = None
    files: tuple[KnownFile, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.files) == (self.by_hand is not None):
            raise ValueError("it needs either files or by_hand")


def known_checkpoints(table: Path = TABLE) -> dict[str, Known]:
    """All checkpoints of a table by name, in its order.

    Raises:
        BadInput: the table is missing or damaged; the message says where.
    """
    try:
        found = tomllib.loads(table.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{table} is not a table of checkpoints: {error}") from error
    try:
        return {name: _parsed(name, fields) for name, fields in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise BadInput(f"{table} is not a table of checkpoints: {error}") from error


def known_checkpoint(name: str, table: Path = TABLE) -> Known:
    """The checkpoint of this name.

    Raises:
        UnknownName: it is not in the table.
        BadInput: the table is missing or damaged.
    """
    found = known_checkpoints(table)
    if name not in found:
        raise UnknownName("public checkpoint", name, found)
    return found[name]


def _parsed(name: str, fields: Mapping[str, Any]) -> Known:
    try:
        files = tuple(KnownFile(**file) for file in fields.get("files", ()))
        return Known(name=name, **{**fields, "files": files})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
