"""Weightings: how a training step is divided among its targets. One idea per file."""

from perturbations.weighting.base import Signals, Weighting
from perturbations.weighting.registry import WEIGHTINGS, names, weighting

__all__ = ["WEIGHTINGS", "Signals", "Weighting", "names", "weighting"]
