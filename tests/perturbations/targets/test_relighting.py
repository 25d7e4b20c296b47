"""Portrait relighting: its layout, its lights, the colour space between, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from perturbations.checkpoints import identify, load_checkpoint
from perturbations.errors import BadCheckpoint
from perturbations.targets import Layout, Target
from perturbations.targets.networks.cielab import lab_of, rgb_of
from perturbations.targets.networks.lights import NAMED, TOTAL, lamp
from perturbations.targets.relighting import STRENGTH, Relighting

Read = Callable[[str], Any]
Small = Callable[[str], Target]

ALIASES = {
    "light.": "HG3.middle.middle.middle.middle.",
    "HG0.": "HG3.middle.middle.middle.",
    "HG1.": "HG3.middle.middle.",
    "HG2.": "HG3.middle.",
}


def official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` as the official file has it: every inner level under a name of its own as well."""
    again = {
        alias + name.removeprefix(place): tensor
        for alias, place in ALIASES.items()
        for name, tensor in state.items()
        if name.startswith(place)
    }
    return {**again, **state}


def colours() -> Tensor:
    """Pictures with every kind of colour: noise, the corners of the cube, a ramp of greys, near black."""
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    corners = torch.tensor([[i >> c & 1 for i in range(8)] for c in range(3)]).float()
    ramp = torch.linspace(0, 1, 256).reshape(1, 1, 16, 16).expand(-1, 3, -1, -1)
    return torch.cat([noise, corners.repeat(1, 32).reshape(1, 3, 16, 16), ramp, ramp / 50])


def test_lab_is_that_of_the_standard_and_back_again() -> None:
    from skimage.color import rgb2lab

    rgb = colours()
    lab = lab_of(rgb)
    expected = rgb2lab(rgb.permute(0, 2, 3, 1).double().numpy())
    difference = np.abs(lab.permute(0, 2, 3, 1).numpy() - expected)
    assert difference.max() < 0.02
    torch.testing.assert_close(rgb_of(lab), rgb, rtol=0, atol=2e-5)


def test_grey_has_no_colour_and_white_is_a_hundred() -> None:
    lab = lab_of(torch.linspace(0, 1, 11).reshape(1, 1, 1, 11).expand(-1, 3, -1, -1))
    assert lab[:, 1:].abs().max() < 1e-3
    assert float(lab[0, 0, 0, 0]) == pytest.approx(0, abs=1e-4)
    assert float(lab[0, 0, 0, -1]) == pytest.approx(100, abs=1e-3)


def test_gradients_through_lab_are_finite_in_black_and_white_too() -> None:
    rgb = colours().requires_grad_()
    lab = lab_of(rgb)
    (there,) = torch.autograd.grad(lab.square().sum(), rgb)
    assert there.isfinite().all()
    wide = (lab.detach() * 1.3 - 10).requires_grad_()  # well outside what sRGB can show
    (back,) = torch.autograd.grad(rgb_of(wide).square().sum(), wide)
    assert back.isfinite().all()


def test_lab_keeps_single_precision_where_everything_else_is_halved() -> None:
    rgb = colours()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(rgb_of(lab_of(rgb)), rgb, rtol=0, atol=2e-5)


def test_a_lamp_is_a_cap_of_light_integrated_over_all_directions() -> None:
    """The closed form against a sum over the sphere."""
    n = 400
    up = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 - 1
    turn = (torch.arange(2 * n, dtype=torch.float64) + 0.5) / n * math.pi
    z, phi = torch.meshgrid(up, turn, indexing="ij")
    x, y = (1 - z**2).sqrt() * phi.cos(), (1 - z**2).sqrt() * phi.sin()
    away = math.radians(40), math.radians(25)
    centre = (math.cos(away[1]) * math.sin(away[0]), -math.cos(away[1]) * math.cos(away[0]), math.sin(away[1]))
    cap = (x * centre[0] + y * centre[1] + z * centre[2] > 0.5).double()
    basis = [torch.ones_like(x), y, z, x, x * y, y * z, 3 * z**2 - 1, x * z, x**2 - y**2]
    norms = [math.sqrt(v / math.pi) / 2 for v in (1, 3, 3, 3, 15, 15, 5 / 4, 15, 15 / 4)]
    sums = [norm * float((cap * b).mean()) for norm, b in zip(norms, basis, strict=True)]
    found = lamp(40.0, 25.0)
    share = 0.6 * TOTAL / sums[0]
    assert found[0] == TOTAL
    assert found[1:] == pytest.approx([share * value for value in sums[1:]], abs=5e-3)


def test_named_lights_mirror_each_other_and_come_from_where_they_say() -> None:
    right, left = NAMED["from_right"], NAMED["from_left"]
    above, below = NAMED["from_above"], NAMED["from_below"]
    assert right[3] > 0 > left[3]
    assert above[2] > 0 > below[2]
    for one, other, odd in ((right, left, (3, 4, 7)), (above, below, (2, 5, 7))):
        mirrored = [-value if i in odd else value for i, value in enumerate(other)]
        assert list(one) == pytest.approx(mirrored)
    assert all(light[1] < 0 for light in NAMED.values())  # from the camera's side


def test_the_official_layout_is_recognised_with_its_repetitions(small: Small, tmp_path: Path) -> None:
    target = cast(Relighting, small("relighting"))
    state = official(dict(target.generator.state_dict()))
    assert len(state) > len(target.generator.state_dict())
    name, config = identify(state)
    assert name == "relighting"
    assert config["widths"] == target.hyper["widths"]
    torch.save(state, tmp_path / "trained_model_03.t7")
    loaded = load_checkpoint(tmp_path / "trained_model_03.t7", config={"image_size": 32})
    assert loaded.edits == tuple(NAMED)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(loaded(x, "from_left"), target(x, "from_left"))


def test_repetitions_that_say_something_else_are_refused(small: Small) -> None:
    state = official(dict(small("relighting").generator.state_dict()))
    state["HG1.upper.conv1.weight"] = state["HG1.upper.conv1.weight"] + 1
    with pytest.raises(BadCheckpoint, match=r"HG1\.upper\.conv1\.weight is not part of it"):
        identify(state)


def test_the_defaults_are_the_official_size() -> None:
    """As ``keys.json`` of the published file has it: 155 channels below, of which 27 are light."""
    with torch.device("meta"):
        generator = Relighting(edits=NAMED).generator
    shapes = Layout.of(generator.state_dict()).shapes
    assert shapes["HG3.middle.middle.middle.low1.conv1.weight"] == (155, 64, 3, 3)
    assert shapes["HG3.middle.middle.middle.middle.predict_FC1.weight"] == (128, 27, 1, 1)


def test_only_the_lightness_changes(small: Small) -> None:
    target = small("relighting")
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 0.2 - 0.1  # no colour leaves sRGB
    relit = target(x, "from_left")
    before, after = lab_of((x + 1) / 2), lab_of((relit + 1) / 2)
    assert (before[:, 0] - after[:, 0]).abs().max() > 1
    torch.testing.assert_close(before[:, 1:], after[:, 1:], rtol=0, atol=0.02)


def test_the_face_in_the_bottleneck_is_the_same_under_every_light(small: Small) -> None:
    target = small("relighting")
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    left, right = target.manipulate(x, "from_left"), target.manipulate(x, "from_right")
    assert torch.equal(left.tap, right.tap)
    assert (left.output - right.output).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 40}, "multiple of 16"),
        ({"image_size": 16}, "above 16"),
        ({"widths": (4, 4, 4)}, "5 widths"),
        ({"light_features": 10}, "above that of the light"),
        ({"edits": {"dark": [0.0] * 8}}, "8 labels"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Relighting.from_config({**Relighting.small, **change})


def test_numbers_are_those_of_the_day_it_agreed_with_published_weights(golden: Read) -> None:
    state, inputs, outputs, config = golden("relighting")
    config = {name: value for name, value in config.items() if name != "note"}
    target = Relighting.from_config(config)
    target.load_generator(state)
    output, tap = target.manipulate(inputs["x"], "from_left")
    torch.testing.assert_close(output, outputs["y"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(tap, outputs["face"], rtol=1e-4, atol=1e-4)
    light = STRENGTH * torch.tensor(target.lights["from_left"])
    network = target.generator
    relit = network(inputs["lightness"], light.reshape(1, 9, 1, 1).expand(2, -1, -1, -1))
    torch.testing.assert_close(relit.lightness, outputs["lightness"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(relit.light, outputs["light"], rtol=1e-4, atol=1e-4)
