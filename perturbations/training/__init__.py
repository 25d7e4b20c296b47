"""Training of a universal perturbation against several targets at once."""

from perturbations.training.config import PRESETS, TrainingConfig, preset
from perturbations.training.loop import StepReport, Training

__all__ = ["PRESETS", "StepReport", "Training", "TrainingConfig", "preset"]
