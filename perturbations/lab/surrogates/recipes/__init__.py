"""One training recipe per architecture."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from perturbations.errors import UnknownName
from perturbations.lab.surrogates.recipes.base import Recipe

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
    module, _, attribute = RECIPES[name].partition(":")
    found: type[Recipe] = getattr(import_module(module), attribute)
    return found


__all__ = ["RECIPES", "Recipe", "recipe"]
