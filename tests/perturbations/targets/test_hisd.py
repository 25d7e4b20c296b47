"""HiSD's edits: noise or a reference, fixed either way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from perturbations.targets import Target
from perturbations.targets.hisd import ChainedEdit, Edit, HiSD, LatentEdit, ReferenceEdit, parse_edit
from perturbations.targets.networks.hisd import standardize

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]


def test_standardizing_uses_the_unbiased_deviation() -> None:
    x = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    # the unbiased variance of 0, 1, 0, 1 is 1/3
    torch.testing.assert_close(standardize(x).abs(), torch.full_like(x, 0.5 * 3**0.5), rtol=1e-4, atol=1e-4)


def test_the_tap_is_the_content_code_whatever_the_edit(small: Small, faces: Faces) -> None:
    target = cast(HiSD, small("hisd"))
    x = faces(target)
    assert all(torch.equal(target.features(x, edit), target.generator.encode(x)) for edit in target.edits)


def test_what_it_gives_back_follows_from_the_content_code_alone(small: Small, faces: Faces) -> None:
    target = cast(HiSD, small("hisd"))
    x = faces(target)
    tap = target.features(x, target.edits[0])
    assert torch.equal(target.reconstruct(x), target.generator.decode(tap).clamp(-1, 1))


def test_seeds_choose_the_style(small: Small, faces: Faces) -> None:
    target = cast(HiSD, small("hisd"))
    x = faces(target)
    first, again, other = (target.style(LatentEdit(0, 1, seed), x) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_a_reference_edit_is_the_style_of_the_reference(small: Small, faces: Faces) -> None:
    target = cast(HiSD, small("hisd"))
    x = faces(target)
    edit = target.reference_edit(x[:1], 1)
    torch.testing.assert_close(target.style(edit, x), target.generator.extract(x[:1], 1))
    assert parse_edit({"tag": 1, "style": list(edit.style)}) == edit


def test_a_chain_goes_on_from_the_code_the_step_before_has_left(small: Small, faces: Faces) -> None:
    target = cast(HiSD, small("hisd"))
    x = faces(target)
    first, second = LatentEdit(0, 1, 3), LatentEdit(1, 2, 4)
    fields = {"steps": [{"tag": 0, "attribute": 1, "seed": 3}, {"tag": 1, "attribute": 2, "seed": 4}]}
    assert parse_edit(fields) == ChainedEdit((first, second))
    chained = HiSD.from_config({**target.config, "edits": {"both": fields, "first": fields["steps"][0]}})
    chained.load_generator(target.generator.state_dict())
    generator = chained.generator
    code = generator.encode(x)
    for step in (first, second):
        code = generator.translate(code, chained.style(step, x).expand(len(x), -1), step.tag)
    torch.testing.assert_close(chained(x, "both"), generator.decode(code).clamp(-1, 1))
    assert not torch.allclose(chained(x, "both"), chained(x, "first"))
    assert chained.from_config(chained.config).config == chained.config


@pytest.mark.parametrize(
    "edit",
    [
        LatentEdit(tag=2, attribute=0, seed=0),
        LatentEdit(tag=0, attribute=2, seed=0),
        LatentEdit(tag=-1, attribute=0, seed=0),
        LatentEdit(tag=0, attribute=0, seed=-1),
        ReferenceEdit(tag=0, style=(0.0,)),
        ChainedEdit((LatentEdit(tag=0, attribute=0, seed=0), LatentEdit(tag=0, attribute=2, seed=0))),
        ChainedEdit(()),
    ],
)
def test_impossible_edits_are_refused(edit: Edit) -> None:
    with pytest.raises(ValueError, match="'wrong'"):
        HiSD.from_config({**HiSD.small, "edits": {"wrong": edit}})


@pytest.mark.parametrize(
    "fields",
    [
        {"tag": 0},
        {"tag": 0, "attribute": 0, "seed": 0, "hue": 1},
        {"style": (1.0,)},
        {"steps": [{"tag": 0}]},
        {"steps": [{"steps": []}]},
        {"steps": [], "tag": 0},
    ],
)
def test_malformed_edits_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        parse_edit(fields)
