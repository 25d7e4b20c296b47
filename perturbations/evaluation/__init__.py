"""How well a perturbation protects: its effect on each generator, with and without what platforms do to photos."""

from perturbations.evaluation.run import Evaluation, evaluate
from perturbations.evaluation.transforms import delivery

__all__ = ["Evaluation", "delivery", "evaluate"]
