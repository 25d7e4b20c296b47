"""Targets: the generators a perturbation has to interrupt, one file per architecture.

Every architecture implements :class:`Target`: named edits, :meth:`Target.manipulate` giving the manipulated image and
the tap, and the official checkpoint layout. The registry maps names to classes, and :mod:`.checkpoints` turns files
into targets. To add an architecture, write one file and add one line to ``registry.py``; its contract tests exist.
"""

from perturbations.checkpoints.loading import (
    CheckpointInfo,
    identify,
    inspect_checkpoint,
    load_checkpoint,
    read_note,
    read_state,
    save_checkpoint,
    sha256,
)
from perturbations.targets.interface import Layout, Manipulation, Target
from perturbations.targets.registry import architecture, names

__all__ = [
    "CheckpointInfo",
    "Layout",
    "Manipulation",
    "Target",
    "architecture",
    "identify",
    "inspect_checkpoint",
    "load_checkpoint",
    "names",
    "read_note",
    "read_state",
    "save_checkpoint",
    "sha256",
]
