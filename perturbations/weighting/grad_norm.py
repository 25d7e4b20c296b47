"""Static normalisation: every gradient is scaled to length one, then averaged. AEF argues against this balance."""

from __future__ import annotations

from typing import ClassVar

from perturbations.weighting.uniform import Uniform


class GradNorm(Uniform):
    """``w_k = 1 / K``, of gradients of length one."""

    unit_gradients: ClassVar[bool] = True
