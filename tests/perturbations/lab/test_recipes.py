"""What holds for the recipe of every architecture."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from perturbations.data import ATTRIBUTES
from perturbations.errors import UnknownName
from perturbations.images import to_tensor
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.recipes import RECIPES, Recipe, recipe
from perturbations.lab.surrogates.recipes.attentiongan import AttentionGANRecipe
from perturbations.lab.surrogates.recipes.hisd import HiSDRecipe
from perturbations.lab.surrogates.training import Run
from perturbations.targets import names

every_recipe = pytest.mark.parametrize("name", sorted(RECIPES))


def _parameters(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


def test_every_architecture_has_a_recipe() -> None:
    """But those that Poise knows as published checkpoints only: no surrogate of them is trained."""
    assert set(RECIPES) == set(names()) - {"cyclegan", "relighting"}
    with pytest.raises(UnknownName, match="stargan"):
        recipe("biggan")


@every_recipe
def test_a_few_steps_are_finite_and_move_every_weight_and_the_average_lags(
    name: str, start: Callable[..., Run], faces: LabelledFaces
) -> None:
    run = start(name, steps=4)
    trained: Recipe = run.recipe
    generator, discriminator = _parameters(trained.generator), _parameters(trained.discriminator)
    for progress in run.train(faces):
        assert progress.losses
        assert all(math.isfinite(loss) for loss in progress.losses.values()), progress
    for before, module in ((generator, trained.generator), (discriminator, trained.discriminator)):
        still = [key for key, tensor in module.named_parameters() if torch.equal(before[key], tensor)]
        # a bias that an instance norm takes out again learns nothing but rounding
        assert len(still) <= len(before) // 4, still
    moved = sum(float((t.detach() - generator[k]).abs().sum()) for k, t in trained.generator.named_parameters())
    lagged = sum(float((trained.average.state[k] - generator[k]).abs().sum()) for k in generator)
    assert 0 < lagged < 0.1 * moved


@every_recipe
def test_the_averaged_target_is_a_frozen_target_of_its_own(
    name: str, start: Callable[..., Run], faces: LabelledFaces
) -> None:
    run = start(name, steps=2)
    list(run.train(faces))
    target = run.recipe.averaged_target()
    assert target.architecture == name
    assert not target.training
    assert not any(parameter.requires_grad for parameter in target.parameters())
    x = to_tensor(faces.images[:2])
    before = [target(x, edit) for edit in target.edits]
    for output in before:
        assert output.shape == x.shape
        assert bool(output.isfinite().all())
    list(start(name, steps=3).train(faces))  # goes on from the checkpoint
    assert all(torch.equal(a, target(x, edit)) for a, edit in zip(before, target.edits, strict=True))


@pytest.mark.parametrize("name", sorted(name for name in RECIPES if recipe(name).asked))
def test_edits_say_what_they_ask_for_and_cover_every_combination(name: str) -> None:
    cls = recipe(name)
    assert tuple(cls.asked) == cls.build(image_size=32, width=4).edits
    assert sorted(cls.asked.values()) == sorted(itertools.product((0.0, 1.0), repeat=len(ATTRIBUTES)))


@every_recipe
def test_a_step_depends_on_seed_and_step_alone(name: str, start: Callable[..., Run], faces: LabelledFaces) -> None:
    trained = start(name, steps=1).recipe
    state = copy.deepcopy(trained.state_dict())
    batch = faces.batch(8, seed=0, step=0)

    def losses(*, seed: int, step: int) -> dict[str, float]:
        trained.load_state_dict(copy.deepcopy(state))
        return trained.step(batch, step=step, seed=seed)

    first = losses(seed=3, step=2)
    torch.rand(7)  # the global generator must not matter
    assert losses(seed=3, step=2) == first
    assert losses(seed=4, step=2) != first


def test_attention_is_pushed_open_where_it_closes_and_back_where_it_gapes() -> None:
    trained = AttentionGANRecipe(image_size=32, width=4, seed=0, device=torch.device("cpu"))

    def pull(level: float) -> float:
        mask = torch.full((2, 1, 8, 8), level, requires_grad=True)
        torch.stack(list(trained.attention_loss(mask).values())).sum().backward()
        assert mask.grad is not None
        return float(mask.grad.sum())

    assert pull(0.02) < 0 < pull(0.9)
    assert -pull(0.02) > 5 * pull(0.9)


def test_rough_attention_costs_more_than_smooth() -> None:
    trained = AttentionGANRecipe(image_size=32, width=4, seed=0, device=torch.device("cpu"))
    smooth = torch.full((1, 1, 8, 8), 0.5)
    checkers = ((torch.arange(8)[:, None] + torch.arange(8)) % 2).float()[None, None]
    assert float(trained.attention_loss(smooth)["g_rough"]) == 0.0
    assert float(trained.attention_loss(checkers)["g_rough"]) > 0.5


@every_recipe
def test_annealing_leaves_the_proportions_of_learning_rates(name: str, start: Callable[..., Run]) -> None:
    trained: Recipe = start(name, steps=4).recipe
    groups = [*trained.optimizer_g.param_groups, *trained.optimizer_d.param_groups]
    at_first = [group["lr"] for group in groups]
    trained.anneal(0.0)
    assert [group["lr"] for group in groups] == pytest.approx(at_first)
    trained.anneal(0.75)
    assert [group["lr"] for group in groups] == pytest.approx([rate / 2 for rate in at_first])


def test_hisd_leaves_the_other_tag_alone_in_a_step(start: Callable[..., Run], faces: LabelledFaces) -> None:
    trained = start("hisd", steps=2).recipe
    before = _parameters(trained.generator)
    trained.step(faces.batch(8, seed=0, step=0), step=0, seed=0)  # an even step is the first tag's
    moved = {key for key, tensor in trained.generator.named_parameters() if not torch.equal(before[key], tensor)}
    assert any(key.startswith("translators.0.") for key in moved)
    assert not any(key.startswith(("translators.1.", "mappers.1.")) for key in moved)


def test_hisd_may_change_the_light_more_once_its_edits_are_there(start: Callable[..., Run]) -> None:
    trained = start("hisd", steps=1).recipe
    assert isinstance(trained, HiSDRecipe)
    weights = []
    for done in (0.0, 0.5, 0.75, 1.0):
        trained.anneal(done)
        weights.append(trained.light)
    first, middle, later, last = weights
    assert first == middle == trained.light_weight
    assert last == pytest.approx(trained.light_weight * trained.light_left)
    assert later == pytest.approx((first + last) / 2)
