"""What the recipe of latent diffusion lets its losses reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.recipes.latent_diffusion import LatentDiffusionRecipe
from perturbations.lab.surrogates.training import Run


@pytest.fixture
def trained(start: Callable[..., Run]) -> LatentDiffusionRecipe:
    recipe = start("latent_diffusion", steps=1).recipe
    assert isinstance(recipe, LatentDiffusionRecipe)
    return recipe


def test_weights_of_one_size_go_on_at_another() -> None:
    small, large = (LatentDiffusionRecipe.build(image_size=size, width=4) for size in (32, 64))
    large.load_generator(small.generator.state_dict())
    assert large(torch.zeros(1, 3, 64, 64), "old_man").shape == (1, 3, 64, 64)


def test_only_the_autoencoders_own_losses_reach_the_encoder(
    trained: LatentDiffusionRecipe, faces: LabelledFaces
) -> None:
    x, labels = faces.batch(4, seed=0, step=0)
    trained.discriminator.requires_grad_(False)
    translation = trained.translate(x, labels, labels.flip(0))
    terms = trained.own_loss(x, labels, translation)
    terms["fake"] = translation.fake.square().mean()
    first = next(trained.generator.vae.encoder.parameters())
    reached = {
        name
        for name, term in terms.items()
        if torch.autograd.grad(term, first, retain_graph=True, allow_unused=True)[0] is not None
    }
    assert reached == {"g_reconstruction", "g_features", "g_kl"}


def test_the_statistics_follow_the_latents(trained: LatentDiffusionRecipe, faces: LabelledFaces) -> None:
    x = faces.batch(16, seed=0, step=0).x
    labels = torch.zeros(16, 2)
    with torch.no_grad():
        mean, _ = trained.generator.vae.encode(x)
        for _ in range(300):
            trained._follow(mean)
        latent = trained.translate(x, labels, labels).kept.latent
    torch.testing.assert_close(latent.mean(dim=(0, 2, 3)), torch.zeros(4), rtol=0, atol=0.05)
    torch.testing.assert_close(latent.std(dim=(0, 2, 3)), torch.ones(4), rtol=0, atol=0.05)
