"""How well a perturbation protects: effect per architecture, after nothing and after what platforms do to photos."""

from perturbations.evaluation.run import Evaluation, evaluate
from perturbations.evaluation.transforms import delivery

__all__ = ["Evaluation", "delivery", "evaluate"]
