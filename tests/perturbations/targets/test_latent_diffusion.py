"""The diffusion autoencoder: official folders and files, what its edits mean, and life without its optional library."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from perturbations.checkpoints import identify, inspect_checkpoint, load_checkpoint, save_checkpoint
from perturbations.effect import manipulation_mask
from perturbations.errors import BadCheckpoint
from perturbations.targets import Target
from perturbations.targets.latent_diffusion import DiffusionEdit, LatentDiffusion
from perturbations.targets.networks.latent_editor import LatentEditor
from perturbations.targets.networks.latent_generator import LatentGenerator

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def release(tmp_path: Path) -> tuple[Any, Path]:
    """A small autoencoder of the diffusers library, and the folder the library itself wrote it to."""
    from diffusers import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = AutoencoderKL(
            block_out_channels=(4, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=2,
            norm_num_groups=2,
            sample_size=32,
            scaling_factor=0.5,
        ).eval()
    vae.save_pretrained(tmp_path / "vae")
    return vae, tmp_path


def images(size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.no_grad()
def test_a_folder_of_the_library_loads_and_agrees_with_it(release: tuple[Any, Path]) -> None:
    vae, folder = release
    x = images()
    expected = vae.encode(x).latent_dist
    for path in (folder, folder / "vae", folder / "vae" / WEIGHTS):
        target = load_checkpoint(path)
        assert target.architecture == "latent_diffusion"
        assert target.image_size == 32
        again, tap = target.manipulate(x, "reconstruction")
        torch.testing.assert_close(again, vae.decode(expected.mean).sample.clamp(-1, 1), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(tap, torch.cat([expected.mean, expected.std], dim=1), rtol=1e-4, atol=1e-4)
    info = inspect_checkpoint(folder)
    assert info.bytes == (folder / "vae" / WEIGHTS).stat().st_size
    assert info.parameters == sum(parameter.numel() for parameter in vae.parameters())


@torch.no_grad()
def test_the_noise_of_an_edit_is_measured_in_the_latents_own_size(release: tuple[Any, Path]) -> None:
    vae, folder = release
    target = cast(LatentDiffusion, load_checkpoint(folder))
    spec = target.specs["image_to_image"]
    assert spec.noise == pytest.approx(0.3 / 0.5)  # the library scales latents by 0.5
    mean = vae.encode(images()).latent_dist.mean
    noise = torch.randn((1, *mean.shape[1:]), generator=torch.Generator().manual_seed(spec.seed))
    expected = vae.decode(mean + spec.noise * noise).sample.clamp(-1, 1)
    torch.testing.assert_close(target(images(), "image_to_image"), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_attention_under_its_old_names_is_the_same(release: tuple[Any, Path]) -> None:
    _, folder = release
    x, path = images(), folder / "vae" / WEIGHTS
    expected = load_checkpoint(folder)(x, "reconstruction")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(path)
    for new, name in old.items():
        state = {key.replace(f".{new}.", f".{name}."): value for key, value in state.items()}
    assert state.keys() != load_file(path).keys()
    save_file(state, path)
    assert torch.equal(load_checkpoint(folder)(x, "reconstruction"), expected)


def test_a_file_alone_is_told_by_its_layout_and_by_whoever_loads_it(release: tuple[Any, Path], tmp_path: Path) -> None:
    vae, folder = release
    (folder / "vae" / "config.json").unlink()
    config = {"norm_num_groups": 2, "image_size": 32}
    target = load_checkpoint(folder, config=config)
    assert torch.equal(target.generator.state_dict()["quant_conv.weight"], vae.state_dict()["quant_conv.weight"])
    # once ours, nothing needs telling
    save_checkpoint(target, tmp_path / "ours.safetensors", extra={})
    again = load_checkpoint(tmp_path / "ours.safetensors")
    assert json.dumps(again.config) == json.dumps(target.config)


def test_the_official_layout_at_full_size_is_recognised() -> None:
    with torch.device("meta"):
        vae = LatentDiffusion(edits={"again": DiffusionEdit(noise=0.0)}).generator
    # what the autoencoder of Stable Diffusion is known to have
    assert sum(parameter.numel() for parameter in vae.parameters()) == 83_653_863
    name, config = identify(vae.state_dict())
    assert name == "latent_diffusion"
    assert tuple(config["block_out_channels"]) == (128, 256, 512, 512)
    assert (config["layers_per_block"], config["latent_channels"], config["norm_num_groups"]) == (2, 4, 32)
    assert config["edits"]["image_to_image"]["noise"] == pytest.approx(0.3 / 0.18215)


def test_an_autoencoder_without_attention_or_quantising_convolutions_is_recognised() -> None:
    plain = {**LatentDiffusion.small, "mid_block_attention": False, "quant_conv": False}
    state = LatentDiffusion.from_config({**plain, "editor_width": 0, "edits": {"again": {"noise": 0.0}}}).generator
    _, config = identify(state.state_dict())
    assert (config["mid_block_attention"], config["quant_conv"]) == (False, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        ({"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]}, "down_block_types"),
        ({"act_fn": "relu"}, "silu"),
        ({"scaling_factor": 0}, "scaling_factor"),
        ({"norm_num_groups": 3}, "cannot be built"),
        ({"sample_size": 10**9}, "image_size"),
    ],
)
def test_a_configuration_beside_the_weights_is_not_believed_blindly(
    release: tuple[Any, Path], change: dict[str, Any], message: str
) -> None:
    path = release[1] / "vae" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadCheckpoint, match=message):
        load_checkpoint(release[1])


def test_damaged_and_empty_folders_say_what_is_wrong(release: tuple[Any, Path], tmp_path: Path) -> None:
    (release[1] / "vae" / "config.json").write_text("{")
    with pytest.raises(BadCheckpoint, match=r"config\.json is not JSON"):
        load_checkpoint(release[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadCheckpoint, match="folder without diffusion_pytorch_model"):
        load_checkpoint(tmp_path / "empty")


def test_what_is_painted_again_counts_everywhere_and_an_edit_against_the_photo(release: tuple[Any, Path]) -> None:
    target, x = load_checkpoint(release[1]), images()
    assert manipulation_mask(target.mask_reference(x, "reconstruction"), x).all()
    assert torch.equal(target.mask_reference(x, "image_to_image"), x)


def test_seed_and_labels_and_noise_each_change_the_edit(small: Small, faces: Faces) -> None:
    x = faces(small("latent_diffusion"))

    def edited(edit: DiffusionEdit) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            target = LatentDiffusion.from_config({**LatentDiffusion.small, "edits": {"edit": edit}})
        return target.manipulate(x, "edit").output

    base = edited(DiffusionEdit(noise=1.0, seed=0, labels=(0.0, 1.0)))
    assert torch.equal(base, edited(DiffusionEdit(noise=1.0, seed=0, labels=(0.0, 1.0))))
    for other in (
        DiffusionEdit(noise=1.0, seed=1, labels=(0.0, 1.0)),
        DiffusionEdit(noise=0.5, seed=0, labels=(0.0, 1.0)),
        DiffusionEdit(noise=1.0, seed=0, labels=(1.0, 1.0)),
    ):
        assert not torch.allclose(base, edited(other), atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"noise": 1.0, "labels": (1.0,)}, "takes 2"),
        ({"noise": 0.0, "labels": (1.0, 0.0)}, "above zero"),
        ({"noise": float("nan"), "labels": (1.0, 0.0)}, "noise"),
        ({"noise": 1.0, "labels": (1.0, 0.0), "seed": -1}, "seed"),
    ],
)
def test_impossible_edits_are_refused(edit: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LatentDiffusion.from_config({**LatentDiffusion.small, "edits": {"wrong": edit}})


@pytest.mark.parametrize("change", [{"sampling_steps": 0}, {"sampling_steps": 101}, {"block_out_channels": (8,) * 9}])
def test_sizes_out_of_reason_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 to"):
        LatentDiffusion.from_config({**LatentDiffusion.small, **change})


def test_standardizing_latents_can_be_undone(small: Small) -> None:
    generator = cast(LatentGenerator, small("latent_diffusion").generator)
    generator.mean.copy_(torch.tensor([1.0, -2.0]))
    generator.std.copy_(torch.tensor([0.5, 3.0]))
    latent = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = generator.standardized(latent)
    torch.testing.assert_close(seen[:, 1], (latent[:, 1] + 2) / 3)
    torch.testing.assert_close(generator.restored(seen), latent)


@pytest.mark.parametrize("steps", [1, 3])
def test_an_editor_that_believes_the_source_gives_it_back_whatever_the_noise(steps: int) -> None:
    editor = LatentEditor(latent_channels=4, width=8, n_labels=2)
    torch.nn.init.zeros_(editor.conv_out.weight)
    torch.nn.init.zeros_(cast(Tensor, editor.conv_out.bias))
    source, noise = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    again = editor.edit(source, torch.zeros(3, 2), noise, sigma=2.0, steps=steps)
    torch.testing.assert_close(again, source)


def test_nothing_loads_the_library() -> None:
    """It takes longer to import than everything else together."""
    code = (
        "import sys; from perturbations.targets import architecture; target = architecture('latent_diffusion');"
        "target.from_config(target.small); sys.exit('diffusers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
