"""One training recipe per architecture."""

from __future__ import annotations

from typing import Final

from perturbations.errors import UnknownName
from perturbations.lab.surrogates.recipes.base import Recipe
from perturbations.plugins import imported

RECIPES: Final = {
    "stargan": "perturbations.lab.surrogates.recipes.stargan:StarGANRecipe",
    "attentiongan": "perturbations.lab.surrogates.recipes.attentiongan:AttentionGANRecipe",
    "attgan": "perturbations.lab.surrogates.recipes.attgan:AttGANRecipe",
    "hisd": "perturbations.lab.surrogates.recipes.hisd:HiSDRecipe",
    "latent_diffusion": "perturbations.lab.surrogates.recipes.latent_diffusion:LatentDiffusionRecipe",
    "faceswap": "perturbations.lab.surrogates.recipes.faceswap:FaceSwapRecipe",
}


def recipe(name: str) -> type[Recipe]:
    """The recipe of an architecture.

    Raises:
        UnknownName: no recipe of that name.
    """
    if name not in RECIPES:
        raise UnknownName("training recipe", name, RECIPES)
    found: type[Recipe] = imported(RECIPES[name])
    return found


__all__ = ["RECIPES", "Recipe", "recipe"]
