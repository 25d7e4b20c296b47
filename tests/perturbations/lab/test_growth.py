"""A surrogate grows: nothing learnt is lost, nothing changes at once, and a killed run goes on across the border."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from perturbations.errors import BadCheckpoint
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.networks import Trunk
from perturbations.lab.surrogates.recipes import RECIPES
from perturbations.lab.surrogates.training import Run

every_recipe = pytest.mark.parametrize("name", sorted(RECIPES))
FacesOf = Callable[[int], LabelledFaces]


@pytest.fixture
def faces_of(folder: Path) -> FacesOf:
    return lambda size: LabelledFaces([folder], size=size)


def test_a_grown_trunk_sees_at_first_what_the_smaller_one_saw() -> None:
    torch.manual_seed(0)
    small, large = Trunk(image_size=32), Trunk(image_size=64)
    learnt, fresh = small.state_dict(), large.state_dict()
    large.load_state_dict({key: learnt.get(key, tensor) for key, tensor in fresh.items()})
    x = torch.rand(2, 3, 64, 64)
    before = small(torch.nn.functional.avg_pool2d(x, 2))
    large.fade = 0.0
    assert torch.allclose(large(x), before, atol=1e-6)
    large.fade = 0.5
    halfway = large(x)
    large.fade = 1.0
    assert not torch.allclose(halfway, before)
    assert not torch.allclose(halfway, large(x))


@every_recipe
def test_growing_keeps_all_weights_and_averages(name: str, start: Callable[..., Run], faces_of: FacesOf) -> None:
    run = start(name, steps=2, grown=2)
    list(run.train_stages(faces_of, until=2))
    before = run.recipe
    after = before.grown(image_size=64)
    assert after.target.image_size == 64
    assert after.target.edits == before.target.edits
    for old, new in ((before.generator, after.generator), (before.kept, after.kept)):
        kept = new.state_dict()
        assert all(torch.equal(tensor, kept[key]) for key, tensor in old.state_dict().items())
    assert all(torch.equal(tensor, after.average.state[key]) for key, tensor in before.average.state.items())
    shared = before.discriminator.state_dict().keys() & after.discriminator.state_dict().keys()
    assert all(
        torch.equal(before.discriminator.state_dict()[key], after.discriminator.state_dict()[key]) for key in shared
    )
    # all but what reads the halved picture of the smaller trunk
    assert {key for key in before.discriminator.state_dict() if key not in shared} == {
        "main.from_rgb.16.weight",
        "main.from_rgb.16.bias",
    }


@every_recipe
def test_a_run_grows_and_its_target_works_at_the_last_size(
    name: str, start: Callable[..., Run], faces_of: FacesOf
) -> None:
    run = start(name, steps=1, grown=2)
    fades = [run.recipe.discriminator.main.fade for _ in run.train_stages(faces_of)]
    assert fades == [1.0, 0.0, 1.0]
    target = run.recipe.averaged_target()
    assert target.image_size == 64
    x = faces_of(64).batch(2, seed=0, step=0).x
    assert all(target(x, edit).shape == x.shape for edit in target.edits)


@pytest.mark.parametrize("name", ["attgan", "faceswap"])
def test_resuming_across_the_border_is_exact(name: str, start: Callable[..., Run], faces_of: FacesOf) -> None:
    whole = start(name, steps=2, grown=2, place="whole")
    list(whole.train_stages(faces_of))
    for until in (1, 2, 3, 4):  # killed after every step
        run = start(name, steps=2, grown=2, place="pieces")
        assert run.step == until - 1
        list(run.train_stages(faces_of, until=until))
    expected, got = whole.recipe.generator.state_dict(), run.recipe.generator.state_dict()
    assert all(torch.equal(tensor, got[key]) for key, tensor in expected.items())


def test_a_plan_may_change_only_where_it_has_not_come_to(start: Callable[..., Run], faces_of: FacesOf) -> None:
    list(start("attgan", steps=2, grown=2).train_stages(faces_of, until=3))
    assert start("attgan", steps=2, grown=9).step == 3
    with pytest.raises(BadCheckpoint, match="another configuration"):
        start("attgan", steps=3, grown=2)
