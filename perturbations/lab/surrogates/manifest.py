"""The table of surrogates that ship: everything that determines the training of each, in training order.

The table is ``assets/surrogates/manifest.toml``. ``make surrogates`` trains what is missing from it. Every network
reaches one size before any moves to the next, so that a complete set exists as early as possible.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perturbations.checkpoints.shipped import FOLDER
from perturbations.lab.surrogates.training import SurrogateTraining

MANIFEST: Final = FOLDER / "manifest.toml"
TWIN: Final = "-twin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One row. sha256: of the file that ships, empty until it is final."""

    name: str
    training: SurrogateTraining
    sha256: str = ""

    @property
    def twin(self) -> bool:
        """Whether it only measures, and no perturbation is trained on it."""
        return self.name.endswith(TWIN)


@dataclass(frozen=True, slots=True)
class Leg:
    """One network up to the end of its stage of one size."""

    network: Network
    size: int

    @property
    def until(self) -> int:
        """The step that ends it."""
        return self.network.training.plan.upto(self.size).steps


def networks(path: Path = MANIFEST) -> list[Network]:
    """All rows.

    Raises:
        ValueError: the table is damaged, or names a network twice.
    """
    rows = tomllib.loads(path.read_text())["network"]
    found = [
        Network(name=row.pop("name"), sha256=row.pop("sha256", ""), training=SurrogateTraining(**row)) for row in rows
    ]
    if len({network.name for network in found}) != len(found):
        raise ValueError(f"{path} names a network twice")
    return found


def legs(rows: list[Network]) -> list[Leg]:
    """What is to be trained, in order: by size first, then by row.

    The first stage alone is not a leg: its result is not worth keeping.
    """
    sizes = sorted({stage.size for row in rows for stage in row.training.plan[1:] or row.training.plan})
    return [Leg(row, size) for size in sizes for row in rows if size in {stage.size for stage in row.training.plan}]
