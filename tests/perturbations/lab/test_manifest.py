"""The manifest of the surrogates that ship, and the command that trains it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from perturbations.checkpoints.loading import load_checkpoint, sha256
from perturbations.checkpoints.shipped import FOLDER
from perturbations.lab.surrogates.classifier import save_classifier
from perturbations.lab.surrogates.manifest import legs, networks
from perturbations.lab.surrogates.networks import AttributeClassifier
from perturbations.lab.surrogates.recipes import RECIPES
from worker.commands.targets import app

poise_targets = CliRunner()


def test_every_architecture_has_a_network_and_a_twin_of_other_seed_half_and_width() -> None:
    rows = {row.name: row for row in networks()}
    assert set(rows) == {*RECIPES, *(f"{name}-twin" for name in RECIPES)}
    for name in RECIPES:
        one, twin = rows[name].training, rows[f"{name}-twin"].training
        assert one.architecture == twin.architecture == name
        assert one.seed != twin.seed
        assert {one.half, twin.half} == {0, 1}
        assert one.width != twin.width
        assert rows[f"{name}-twin"].twin
        assert not rows[name].twin


def test_every_network_ends_at_the_size_of_the_papers() -> None:
    assert {row.training.image_size for row in networks()} == {256}


def test_what_is_final_is_what_ships() -> None:
    for row in networks():
        assert row.sha256 in ("", sha256(FOLDER / f"{row.name}.safetensors")), row.name


def test_all_reach_a_size_before_any_goes_on() -> None:
    order = legs(networks())
    assert [leg.size for leg in order] == sorted(leg.size for leg in order)
    assert len(order) == 2 * len(networks())
    first = order[0]
    assert first.until == sum(stage.steps for stage in first.network.training.plan if stage.size <= first.size)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.toml"
    rows = [("attgan", 1, 0), ("attgan-twin", 2, 1)]
    path.write_text(
        "".join(
            f'[[network]]\nname = "{name}"\narchitecture = "attgan"\nhalf = {half}\nseed = {seed}\nwidth = 4\n'
            'stages = "32:2,64:1"\n'
            for name, seed, half in rows
        )
    )
    return path


def test_the_command_trains_what_is_missing_and_goes_on_where_it_was(
    manifest: Path, folder: Path, few: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    torch.manual_seed(0)
    save_classifier(AttributeClassifier(), out / "judge-64.safetensors")
    options = {"--faces": folder, "--validation": few, "--out": out, "--manifest": manifest, "--device": "cpu"}
    arguments = ["train-all", *(str(part) for option in options.items() for part in option), "--json"]
    one = poise_targets.invoke(app, [*arguments, "--only", "attgan"])
    assert one.exit_code == 0, one.output
    checkpoint = out / "attgan" / "64" / "attgan.safetensors"
    written = checkpoint.stat().st_mtime_ns
    every = poise_targets.invoke(app, arguments)
    assert every.exit_code == 0, every.output
    assert [leg["network"] for leg in json.loads(every.stdout)["trained"]] == ["attgan", "attgan-twin"]
    assert checkpoint.stat().st_mtime_ns == written  # complete: left alone
    assert load_checkpoint(out / "attgan-twin" / "64" / "attgan.safetensors").image_size == 64
    card = json.loads((out / "attgan-twin" / "64" / "card.json").read_text())
    assert card["training"]["stages"] == "32:2,64:1"
    assert card["faces"] == 48
    assert "attgan-twin" in (out / "attgan-twin" / "64" / "card.md").read_text()
    unknown = poise_targets.invoke(app, [*arguments, "--only", "biggan"])
    assert unknown.exit_code == 2
    assert "biggan" in unknown.stderr
