"""``poise targets list`` and ``poise targets check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import CliRunner

from perturbations.checkpoints import save_checkpoint, sha256
from perturbations.targets import Target, names
from worker.commands.targets import app

Small = Callable[[str], Target]
poise_targets = CliRunner()


def test_list_names_every_architecture() -> None:
    result = poise_targets.invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    assert tuple(row["architecture"] for row in json.loads(result.stdout)["architectures"]) == names()
    assert all(name in poise_targets.invoke(app, ["list"]).stdout for name in names())


def test_check_says_what_a_checkpoint_is(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "hisd.safetensors"
    save_checkpoint(small("hisd"), path, extra={})
    result = poise_targets.invoke(app, ["check", str(path), "--json"])
    assert result.exit_code == 0
    info = json.loads(result.stdout)
    assert (info["architecture"], info["sha256"], info["bytes"]) == ("hisd", sha256(path), path.stat().st_size)
    assert set(info["config"]["edits"]) == set(small("hisd").edits)
    assert "hisd" in poise_targets.invoke(app, ["check", str(path)]).stdout


def test_check_reads_official_layouts(small: Small, tmp_path: Path) -> None:
    torch.save({"G": small("attgan").generator.state_dict(), "D": {}}, tmp_path / "weights.149.pth")
    result = poise_targets.invoke(app, ["check", str(tmp_path / "weights.149.pth"), "--json"])
    assert json.loads(result.stdout)["architecture"] == "attgan"


def test_check_refuses_with_code_2_and_says_why(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    (tmp_path / "empty.pth").touch()
    for name, why in (("linear.pth", "fits no known"), ("empty.pth", "is empty"), ("absent.pth", "no such file")):
        result = poise_targets.invoke(app, ["check", str(tmp_path / name), "--json"])
        assert result.exit_code == 2
        assert result.stdout == ""
        assert why in result.stderr
