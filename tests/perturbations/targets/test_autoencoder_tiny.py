"""The tiny autoencoders of latent diffusion: the library's folder and the author's two files, the same network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from perturbations.checkpoints import identify, inspect_checkpoint, load_checkpoint, save_checkpoint, sha256
from perturbations.checkpoints.details import GivenDetails
from perturbations.checkpoints.loading import load_converted
from perturbations.errors import BadCheckpoint
from perturbations.targets.latent_diffusion import LatentDiffusion

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def release(tmp_path: Path) -> tuple[Any, Path]:
    """A narrow tiny autoencoder of the diffusers library, and the folder the library itself wrote it to."""
    from diffusers import AutoencoderTiny

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 2, 1),
            num_decoder_blocks=(1, 2, 1),
            latent_channels=5,
        ).eval()
    vae.save_pretrained(tmp_path / "tiny")
    return vae, tmp_path / "tiny"


@pytest.fixture
def halves(release: tuple[Any, Path], tmp_path: Path) -> Path:
    """The same in the author's layout: a file for each half, layers numbered, the decoder's from one on."""
    folder = tmp_path / "halves"
    folder.mkdir()
    state = load_file(release[1] / WEIGHTS)
    for half, shift in (("encoder", 0), ("decoder", 1)):
        save_file(_numbered(state, half, shift), folder / f"taexx_{half}.safetensors")
    return folder


def _numbered(state: Mapping[str, Tensor], half: str, shift: int) -> dict[str, Tensor]:
    prefix = f"{half}.layers."
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return {f"{int(name.partition('.')[0]) + shift}.{name.partition('.')[2]}": t for name, t in own.items()}


def images(size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.no_grad()
def test_the_folder_and_the_two_files_agree_with_the_library(release: tuple[Any, Path], halves: Path) -> None:
    vae, folder = release
    x = images()
    latents = vae.encode(x).latents
    paths = [folder, folder / WEIGHTS, halves, *sorted(halves.iterdir())]
    assert len(paths) == 5
    for path in paths:
        target = load_checkpoint(path, config={"image_size": 32})
        assert target.architecture == "latent_diffusion"
        assert target.config["tiny_blocks"] == (1, 2, 1)
        output, tap = target.manipulate(x, "reconstruction")
        torch.testing.assert_close(tap, latents, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(output, vae.decode(latents).sample.clamp(-1, 1), rtol=1e-4, atol=1e-4)


def test_the_families_sizes_are_recognised_at_full_size() -> None:
    for channels, parameters in ((4, 2_445_063), (16, 2_458_899)):
        with torch.device("meta"):
            vae = LatentDiffusion(
                edits={"again": {"noise": 0.0}},
                block_out_channels=(64, 64, 64, 64),
                latent_channels=channels,
                tiny_blocks=(1, 3, 3, 3),
            ).generator
        assert sum(parameter.numel() for parameter in vae.parameters()) == parameters
        name, config = identify(vae.state_dict())
        assert name == "latent_diffusion"
        assert (config["latent_channels"], config["tiny_blocks"]) == (channels, [1, 3, 3, 3])
        # the family's latents are of unit variance as they are
        assert config["edits"]["image_to_image"]["noise"] == pytest.approx(0.3)


def test_a_configuration_beside_the_weights_is_heeded(release: tuple[Any, Path]) -> None:
    path = release[1] / "config.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "scaling_factor": 0.5}))
    target = cast(LatentDiffusion, load_checkpoint(release[1]))
    assert target.specs["image_to_image"].noise == pytest.approx(0.3 / 0.5)
    for change, message in (
        ({"_class_name": "AutoencoderKL"}, "describes a AutoencoderKL"),
        ({"act_fn": "gelu"}, "act_fn must be relu"),
        ({"upsample_fn": "bilinear"}, "upsample_fn must be nearest"),
        ({"scaling_factor": "much"}, "scaling_factor"),
    ):
        path.write_text(json.dumps({**found, **change}))
        with pytest.raises(BadCheckpoint, match=message):
            load_checkpoint(release[1])


def test_half_of_an_autoencoder_is_called_that(halves: Path) -> None:
    (halves / "taexx_decoder.safetensors").unlink()
    with pytest.raises(BadCheckpoint, match=r"taexx_encoder\.safetensors is half of an autoencoder.*in one folder"):
        load_checkpoint(halves / "taexx_encoder.safetensors")


def test_halves_of_two_autoencoders_in_one_folder_must_be_named(halves: Path) -> None:
    for path in sorted(halves.iterdir()):
        shutil.copyfile(path, path.with_name(path.name.replace("taexx", "taeyy")))
    with pytest.raises(BadCheckpoint, match=r"more than one autoencoder; name one of taexx_encoder.*taeyy_encoder"):
        load_checkpoint(halves)
    assert load_checkpoint(halves / "taeyy_decoder.safetensors").architecture == "latent_diffusion"


def test_halves_that_do_not_belong_together_do_not_load(halves: Path) -> None:
    path = halves / "taexx_decoder.safetensors"
    state = load_file(path)
    save_file({name: tensor for name, tensor in state.items() if not name.startswith("1.")}, path)
    with pytest.raises(BadCheckpoint, match="fits no known architecture"):
        load_checkpoint(halves)


def test_both_halves_are_registered_as_one_file_of_the_same_bytes_every_time(halves: Path, tmp_path: Path) -> None:
    known = GivenDetails(image_size=32)
    first = load_converted(halves / "taexx_encoder.safetensors", tmp_path / "a", known=known)
    again = load_converted(halves, tmp_path / "b", known=known)
    assert (first.kept, again.kept) == (tmp_path / "a", tmp_path / "b")
    assert sha256(first.kept) == sha256(again.kept)
    assert inspect_checkpoint(halves).sha256 == inspect_checkpoint(halves / "taexx_encoder.safetensors").sha256
    assert first.target.config["image_size"] == 32
    loaded = load_checkpoint(first.kept)
    expected = load_checkpoint(halves, config={"image_size": 32})
    assert torch.equal(loaded(images(), "image_to_image"), expected(images(), "image_to_image"))


@torch.no_grad()
def test_with_an_editor_in_its_latent_space_it_is_saved_and_found_again(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        target = LatentDiffusion(
            edits=LatentDiffusion.small["edits"],
            image_size=32,
            block_out_channels=(8, 8, 8),
            latent_channels=4,
            tiny_blocks=(1, 1, 1),
            editor_width=4,
            n_labels=2,
        )
    save_checkpoint(target, tmp_path / "ours.safetensors", extra={})
    again = load_checkpoint(tmp_path / "ours.safetensors")
    assert json.dumps(again.config) == json.dumps(target.config)
    torch.testing.assert_close(again(images(), "male"), target(images(), "male"), rtol=0.05, atol=0.05)
    name, config = identify(target.generator.state_dict())
    assert (name, config["tiny_blocks"], config["editor_width"]) == ("latent_diffusion", [1, 1, 1], 4)


@pytest.mark.parametrize("change", [{"tiny_blocks": (3,) * 9}, {"tiny_blocks": (90, 90, 90)}, {"tiny_blocks": (1, 1)}])
def test_stages_out_of_reason_are_refused(change: dict[str, Any]) -> None:
    config = {"edits": {"again": {"noise": 0.0}}, "block_out_channels": (8, 8, 8), "tiny_blocks": (1, 1, 1)}
    with pytest.raises(ValueError, match="as"):
        LatentDiffusion.from_config({**config, **change})
