"""Targets: the generators a perturbation has to interrupt, one file per architecture.

Every architecture implements :class:`Target`: named edits, :meth:`Target.manipulate` giving the manipulated image and
the tap, and the official checkpoint layout. The registry maps names to classes; :mod:`perturbations.checkpoints` turns
files into targets. To add one, write one file and add one line to ``registry.py``; its contract tests exist already.
"""

from perturbations.targets.interface import Layout, Manipulation, Target
from perturbations.targets.registry import architecture, names

__all__ = ["Layout", "Manipulation", "Target", "architecture", "names"]
