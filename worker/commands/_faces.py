"""The option that names faces: ``--faces A.zip B.zip`` and ``--faces A.zip --faces B.zip`` both work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Faces = Annotated[
    list[Path], typer.Option("--faces", help="A folder or ZIP of face pictures; give as many as you like.")
]
FacesOrShipped = Annotated[
    list[Path] | None,
    typer.Option(
        "--faces",
        help="A folder or ZIP of face pictures; give as many as you like. Without any, the synthetic faces that ship.",
    ),
]
MoreFaces = Annotated[list[Path] | None, typer.Argument(help="Further folders or ZIPs, as a shell pattern gives them.")]
