"""An editor on a published autoencoder: the autoencoder stays, the encoder is what the edits depend on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from perturbations.checkpoints import load_checkpoint, save_checkpoint, sha256
from perturbations.errors import BadCheckpoint
from perturbations.lab.surrogates.classifier import save_classifier
from perturbations.lab.surrogates.faces import LabelledFaces
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.recipes.base import EDITS
from perturbations.lab.surrogates.recipes.latent_editor import LatentEditorRecipe, on_autoencoder
from perturbations.targets.latent_diffusion import LatentDiffusion
from perturbations.targets.networks.latent_generator import LatentGenerator
from worker.commands.targets import app

poise_targets = CliRunner()

KINDS: dict[str, dict[str, Any]] = {
    "tiny": {"block_out_channels": (8, 8, 8), "latent_channels": 4, "tiny_blocks": (1, 1, 1)},
    "kl": {"block_out_channels": (4, 8), "layers_per_block": 1, "latent_channels": 2, "norm_num_groups": 4},
}


def published(kind: str) -> LatentDiffusion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return LatentDiffusion(edits={"again": {"noise": 0.0}}, image_size=32, **KINDS[kind])


@pytest.fixture(params=list(KINDS))
def recipe(request: pytest.FixtureRequest) -> LatentEditorRecipe:
    made = on_autoencoder(published(request.param))
    return made(image_size=32, width=4, seed=0, device=torch.device("cpu"))


def test_only_the_editor_moves(recipe: LatentEditorRecipe, faces: LabelledFaces) -> None:
    before = {name: tensor.clone() for name, tensor in recipe.generator.state_dict().items()}
    for step in range(3):
        losses = recipe.step(faces.batch(8, seed=0, step=step), step=step, seed=0)
        assert all(math.isfinite(value) for value in losses.values())
    after = recipe.generator.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in moved if name.startswith("vae.")]
    editor = [name for name in before if name.startswith("editor.")]
    assert len(moved & set(editor)) > 0.9 * len(editor)
    assert {"mean", "std"} <= moved


def test_the_target_has_our_edits_and_their_encoder(recipe: LatentEditorRecipe, faces: LabelledFaces) -> None:
    recipe.step(faces.batch(8, seed=0, step=0), step=0, seed=0)
    target = cast(LatentDiffusion, recipe.averaged_target())
    assert target.edits == tuple(EDITS)
    own = cast(LatentGenerator, target.generator).vae.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in recipe.published.generator.state_dict().items())
    x = faces.batch(2, seed=0, step=0).x.requires_grad_()
    (gradient,) = torch.autograd.grad(target.features(x, "old_man").square().mean(), x)
    assert gradient.abs().max() > 0


def test_what_is_no_bare_autoencoder_is_refused(recipe: LatentEditorRecipe) -> None:
    from perturbations.targets import architecture

    cls = architecture("stargan")
    for target in (recipe.averaged_target(), cls.from_config(cls.small)):
        with pytest.raises(BadCheckpoint, match="bare autoencoder"):
            on_autoencoder(target)


def test_the_command_trains_measures_and_says_whose_the_weights_are(folder: Path, few: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_classifier(AttributeClassifier(), tmp_path / "judge.safetensors")
    save_checkpoint(published("tiny"), tmp_path / "tiny.safetensors", extra={})
    options = {"--faces": folder, "--validation": few, "--out": tmp_path / "out", "--stages": "32:2", "--width": 4}
    options |= {"--device": "cpu", "--classifier": tmp_path / "judge.safetensors"}
    arguments = [str(part) for option in options.items() for part in option]
    autoencoder = ["--autoencoder", str(tmp_path / "tiny.safetensors")]
    done = poise_targets.invoke(app, ["train", "latent_diffusion", *arguments, *autoencoder, "--json"])
    assert done.exit_code == 0, done.output
    digest = sha256(tmp_path / "tiny.safetensors")
    assert json.loads(done.stdout)["training"]["autoencoder"] == digest
    card = (tmp_path / "out" / "card.md").read_text()
    assert digest in card
    assert "holds nothing of one" not in card
    path = tmp_path / "out" / "latent_diffusion.safetensors"
    target = load_checkpoint(path)
    assert target.edits == tuple(EDITS)
    theirs = load_file(tmp_path / "tiny.safetensors")
    ours = load_file(path)
    assert all(torch.equal(ours[f"vae.{name}"], tensor) for name, tensor in theirs.items())
    # another autoencoder is another run
    save_checkpoint(published("kl"), tmp_path / "kl.safetensors", extra={})
    other = ["--autoencoder", str(tmp_path / "kl.safetensors")]
    assert poise_targets.invoke(app, ["train", "latent_diffusion", *arguments, *other]).exit_code == 2
    wrong = poise_targets.invoke(app, ["train", "attgan", *arguments, *autoencoder])
    assert wrong.exit_code == 2
    assert "attgan has no autoencoder" in wrong.stderr
