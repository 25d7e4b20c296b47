"""``poise targets train``, end to end on drawn faces."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from perturbations.checkpoints.loading import load_checkpoint
from perturbations.lab.surrogates.classifier import save_classifier
from perturbations.lab.surrogates.networks import AttributeClassifier
from worker.commands.targets import app

poise_targets = CliRunner()


@pytest.fixture
def arguments(folder: Path, few: Path, tmp_path: Path) -> list[str]:
    """A tiny training on the CPU, measured with a judge that has learnt nothing."""
    torch.manual_seed(0)
    save_classifier(AttributeClassifier(), tmp_path / "judge.safetensors")
    options: dict[str, Any] = {
        "--faces": folder,
        "--out": tmp_path / "out",
        "--validation": few,
        "--classifier": tmp_path / "judge.safetensors",
        "--stages": "32:2",
        "--width": 4,
        "--half": 1,
        "--device": "cpu",
    }
    return [str(part) for option in options.items() for part in option]


def test_it_leaves_a_surrogate_with_its_card_and_grid(arguments: list[str], tmp_path: Path) -> None:
    result = poise_targets.invoke(app, ["train", "attgan", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert document == {"checkpoint": str(tmp_path / "out" / "attgan.safetensors"), **card}
    assert card["training"]["half"] == 1
    assert card["faces"] == 48
    assert card["metrics"]["faces"] == 32
    assert set(card["classifier_accuracy"]) == {"man", "old"}
    target = load_checkpoint(tmp_path / "out" / "attgan.safetensors")
    assert (target.architecture, target.image_size) == ("attgan", 32)
    with Image.open(tmp_path / "out" / "grid.png") as grid:
        assert grid.size == (2 * 32 * (1 + len(target.edits)), 2 * 32 * 8)


def test_it_goes_on_where_it_stopped_and_refuses_another_run(arguments: list[str]) -> None:
    assert poise_targets.invoke(app, ["train", "attgan", *arguments]).exit_code == 0
    longer = poise_targets.invoke(app, ["train", "attgan", *arguments, "--stages", "32:3", "--json"])
    assert longer.exit_code == 0, longer.output
    assert json.loads(longer.stdout)["training"]["stages"] == "32:3"
    other = poise_targets.invoke(app, ["train", "attgan", *arguments, "--seed", "5"])
    assert other.exit_code == 2
    assert "another configuration" in other.stderr


def test_it_begins_with_the_weights_of_another_surrogate_and_says_so(arguments: list[str], tmp_path: Path) -> None:
    first = poise_targets.invoke(app, ["train", "attgan", *arguments])
    assert first.exit_code == 0, first.output
    checkpoint = tmp_path / "out" / "attgan.safetensors"
    again = [*arguments, "--start", str(checkpoint), "--out", str(tmp_path / "again")]
    result = poise_targets.invoke(app, ["train", "attgan", *again, "--json"])
    assert result.exit_code == 0, result.output
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert json.loads(result.stdout)["training"]["start"] == digest
    assert digest in (tmp_path / "again" / "card.md").read_text()
    misfit = poise_targets.invoke(app, ["train", "stargan", *again, "--out", str(tmp_path / "misfit")])
    assert misfit.exit_code == 2
    assert "do not fit a stargan" in misfit.stderr


@pytest.mark.parametrize(
    ("name", "extra", "why"),
    [
        ("biggan", [], "unknown training recipe"),
        ("attgan", ["--stages", "48:2"], "power of two"),
        ("attgan", ["--stages", "32:2,128:2"], "after 32 pixels come 64"),
        ("attgan", ["--stages", "many"], "SIZE:STEPS"),
        ("attgan", ["--faces", "/nowhere/at/all"], "no such folder"),
        ("attgan", ["--device", "abacus"], "cannot be used here"),
    ],
)
def test_bad_input_ends_with_code_2_and_a_reason(arguments: list[str], name: str, extra: list[str], why: str) -> None:
    result = poise_targets.invoke(app, ["train", name, *arguments, *extra, "--json"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert why in result.stderr
