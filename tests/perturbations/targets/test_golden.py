"""Agreement with the official implementations, to rtol = atol = 1e-4, and with the layout of their checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from perturbations.targets import Layout, Target, architecture
from perturbations.targets.attentiongan import AttentionGAN, joint_tap
from perturbations.targets.attgan import AttGAN
from perturbations.targets.hisd import HiSD
from perturbations.targets.stargan import StarGAN

Read = Callable[[str], Any]

FULL_SIZE = {
    "stargan_celeba_256": "stargan",
    "attentiongan_celeba_256": "attentiongan",
    "attgan_256_shortcut1_inject0_none": "attgan",
    "hisd_celeba-hq_256": "hisd",
}


def agree(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def load(name: str, state: Mapping[str, Tensor], **override: Any) -> Target:
    """A target from an official state dict alone: its configuration is inferred."""
    cls = architecture(name)
    config = cls.infer_config(Layout.of(state))
    assert config is not None
    target = cls.from_config({**config, **override})
    target.load_generator(state)
    return target


def vectors(labels: Tensor) -> dict[str, list[float]]:
    """One edit per row of a label tensor."""
    return {f"row_{i}": row.tolist() for i, row in enumerate(labels)}


def test_stargan(golden: Read) -> None:
    state, inputs, outputs, _ = golden("stargan")
    target = cast(StarGAN, load("stargan", state, edits=vectors(inputs["c"])))
    for i, edit in enumerate(target.edits):
        output, tap = target.manipulate(inputs["x"][i : i + 1], edit)
        agree(output, outputs["y"][i : i + 1])
        agree(tap, outputs["bottleneck"][i : i + 1])


def test_attentiongan(golden: Read) -> None:
    state, inputs, outputs, _ = golden("attentiongan")
    target = cast(AttentionGAN, load("attentiongan", state, edits=vectors(inputs["c"])))
    generator = target.generator
    agree(generator(inputs["x"], inputs["c"]), outputs["y"])
    bottleneck = generator.encode(inputs["x"], inputs["c"])
    content, attention = generator.paint(bottleneck)
    agree(content, outputs["content"])
    agree(attention.expand(-1, 3, -1, -1), outputs["attention"])
    for i, edit in enumerate(target.edits):
        one = slice(i, i + 1)
        output, tap = target.manipulate(inputs["x"][one], edit)
        agree(output, outputs["y"][one].clamp(-1, 1))
        agree(tap, joint_tap(bottleneck[one], outputs["attention"][one, :1], rms=generator.bottleneck_rms()))


@pytest.mark.parametrize("name", ["attgan_shortcut1_inject0", "attgan_shortcut1_inject1"])
def test_attgan(golden: Read, name: str) -> None:
    state, inputs, outputs, _ = golden(name)
    target = cast(AttGAN, load("attgan", state, edits=vectors(inputs["a"])))
    for i, edit in enumerate(target.edits):
        output, tap = target.manipulate(inputs["x"][i : i + 1], edit)
        agree(output, outputs["y"][i : i + 1])
        agree(tap, outputs["latent"][i : i + 1])


def test_hisd(golden: Read) -> None:
    state, inputs, outputs, _ = golden("hisd")
    target = cast(HiSD, load("hisd", state))
    generator, x = target.generator, inputs["x"]
    style = generator.map(inputs["z"], tag=2, attribute=1)
    agree(style, outputs["style_latent_tag2_attr1"])
    agree(generator(x, style, tag=2), outputs["y_latent_tag2_attr1"])
    reference = target.reference_edit(inputs["reference"], tag=1)
    agree(torch.tensor([reference.style]), outputs["style_ref_tag1"])

    target = cast(HiSD, load("hisd", state, edits={"reference": reference}))
    output, tap = target.manipulate(x, "reference")
    agree(output, outputs["y_ref_tag1"].clamp(-1, 1))
    agree(tap, outputs["content"])


@pytest.mark.parametrize("name", ["stargan", "attentiongan", "attgan_shortcut1_inject0", "attgan_shortcut1_inject1"])
def test_inferred_sizes_are_the_official_ones(golden: Read, name: str) -> None:
    state, _, _, official = golden(name)
    found = architecture(name.partition("_")[0]).infer_config(Layout.of(state))
    assert found is not None
    sizes = {key: value for key, value in official.items() if key not in {"image_size", "norm", "range", "bottleneck"}}
    sizes.pop("note", None)
    assert {key: found[key] for key in sizes} == sizes


def test_inferred_sizes_of_hisd_are_the_official_ones(golden: Read) -> None:
    state, _, _, official = golden("hisd")
    found = HiSD.infer_config(Layout.of(state))
    assert found is not None
    assert found["attributes"] == tuple(int(tag.partition(":")[2]) for tag in official["tags"])
    assert (found["style_dim"], found["noise_dim"]) == (official["style_dim"], official["noise_dim"])
    for part in ("encoder", "decoder", "extractors", "translators"):
        assert list(found[part]) == official[part]["channels"]
    assert list(found["mappers_pre"]) == official["mappers"]["pre_channels"]
    assert list(found["mappers_post"]) == official["mappers"]["post_channels"]


@pytest.mark.parametrize(("file", "name"), FULL_SIZE.items())
def test_full_size_layouts(layout_of: Read, file: str, name: str) -> None:
    """The defaults are the official sizes, and the official layout alone gives them."""
    expected = layout_of(file)
    cls = architecture(name)
    config = cls.infer_config(Layout(expected))
    assert config is not None
    assert config["image_size"] == 256
    for chosen in (config, {"edits": config["edits"]}):
        with torch.device("meta"):
            state = cls.from_config(chosen).generator.state_dict()
        assert Layout.of(state).shapes == expected
    assert all(
        other == name or architecture(other).infer_config(Layout(expected)) is None for other in FULL_SIZE.values()
    )
