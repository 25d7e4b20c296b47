"""CycleGAN's generator: the layouts it is released in, its one edit, and its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from perturbations.checkpoints import identify, load_checkpoint
from perturbations.errors import BadCheckpoint
from perturbations.targets import Layout
from perturbations.targets.cyclegan import CycleGAN

Read = Callable[[str], Any]

WIDTH = 4


def state_of(*, blocks: int, affine: bool) -> dict[str, Tensor]:
    """The state of a narrow generator in the official layout, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return dict(CycleGAN(edits=["translate"], width=WIDTH, blocks=blocks, affine=affine).generator.state_dict())


def written_out(state: Mapping[str, Tensor], x: Tensor, *, blocks: int) -> Tensor:
    """The generator of the paper's appendix, in functions."""

    def normed(name: int | str, h: Tensor) -> Tensor:
        weight, bias = (state.get(f"model.{name}.{part}") for part in ("weight", "bias"))
        return F.instance_norm(h, weight=weight, bias=bias)

    def convolved(name: int | str, h: Tensor, *, pad: int = 0, stride: int = 1) -> Tensor:
        h = F.pad(h, (pad,) * 4, mode="reflect")
        return F.conv2d(h, state[f"model.{name}.weight"], state[f"model.{name}.bias"], stride, 0 if pad else 1)

    h = F.relu(normed(2, convolved(1, x, pad=3)))
    for layer in (4, 7):
        h = F.relu(normed(layer + 1, convolved(layer, h, stride=2)))
    for block in range(10, 10 + blocks):
        inner = F.relu(normed(f"{block}.conv_block.2", convolved(f"{block}.conv_block.1", h, pad=1)))
        h = h + normed(f"{block}.conv_block.6", convolved(f"{block}.conv_block.5", inner, pad=1))
    for layer in (10 + blocks, 13 + blocks):
        weight, bias = state[f"model.{layer}.weight"], state[f"model.{layer}.bias"]
        h = F.relu(normed(layer + 1, F.conv_transpose2d(h, weight, bias, 2, 1, 1)))
    return convolved(17 + blocks, h, pad=3).tanh()


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("blocks", [6, 9])
def test_every_official_layout_is_told_by_names_and_shapes(blocks: int, affine: bool, tmp_path: Path) -> None:
    state = state_of(blocks=blocks, affine=affine)
    name, config = identify(state)
    assert name == "cyclegan"
    assert (config["width"], config["blocks"], config["affine"]) == (WIDTH, blocks, affine)
    torch.save(state, tmp_path / "latest_net_G.pth")
    target = load_checkpoint(tmp_path / "latest_net_G.pth", config={"image_size": 32})
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(target(x, "translate"), written_out(state, x, blocks=blocks), rtol=1e-4, atol=1e-4)


def test_the_defaults_are_the_official_size() -> None:
    with torch.device("meta"):
        generator = CycleGAN(edits=["translate"]).generator
    assert sum(parameter.numel() for parameter in generator.parameters()) == 11_378_179  # as the release prints it


def test_names_and_leftovers_of_other_releases_are_the_same_network() -> None:
    state = state_of(blocks=6, affine=True)
    other = {name.replace(".conv_block.", ".block."): tensor for name, tensor in state.items()}
    assert other.keys() != state.keys()
    assert identify(other) == identify(state)
    plain = state_of(blocks=6, affine=False)
    old = {**plain, **{f"model.{i}.running_{what}": torch.ones(WIDTH) for i in (2, 5) for what in ("mean", "var")}}
    assert identify(old) == identify(plain)


def test_batch_norm_is_another_network_and_refused() -> None:
    """Its convolutions have no bias, and its statistics are used."""
    state = {name: tensor for name, tensor in state_of(blocks=6, affine=True).items() if name != "model.1.bias"}
    with pytest.raises(BadCheckpoint, match=r"nearest is cyclegan, but model\.1\.bias is missing"):
        identify(state | {"model.2.running_mean": torch.zeros(WIDTH)})


def test_the_edit_is_one_and_its_name_is_free() -> None:
    small = {**CycleGAN.small, "edits": ["vintage"]}
    assert CycleGAN.from_config(small).edits == ("vintage",)
    assert CycleGAN.from_config(json.loads(json.dumps({**small, "edits": {"vintage": None}}))).edits == ("vintage",)
    for wrong in (["summer", "winter"], "vintage", "v", [3]):
        with pytest.raises(ValueError, match="one translation"):
            CycleGAN.from_config({**small, "edits": wrong})


@pytest.mark.parametrize(
    ("change", "message"),
    [({"image_size": 30}, "multiple of 4"), ({"image_size": 12}, "at least 16"), ({"blocks": 0}, "1 to 64")],
)
def test_sizes_out_of_reason_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CycleGAN.from_config({**CycleGAN.small, **change})


@pytest.mark.parametrize("name", ["cyclegan", "cyclegan_affine"])
def test_numbers_are_those_of_the_day_it_agreed_with_published_weights(golden: Read, name: str) -> None:
    state, inputs, outputs, config = golden(name)
    found = CycleGAN.infer_config(Layout.of(state))
    assert found is not None
    assert (found["width"], found["blocks"], found["affine"]) == (config["width"], config["blocks"], config["affine"])
    target = CycleGAN.from_config({**found, "image_size": 32})
    target.load_generator(state)
    output, tap = target.manipulate(inputs["x"], "translate")
    torch.testing.assert_close(output, outputs["y"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(tap, outputs["bottleneck"], rtol=1e-4, atol=1e-4)
