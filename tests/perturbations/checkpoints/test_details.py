"""Missing details of a checkpoint are asked for; given ones must fit it; assumed ones are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from perturbations.checkpoints import save_checkpoint
from perturbations.checkpoints.details import OFFICIAL, GivenDetails, RecordedDetails
from perturbations.checkpoints.loading import Admitted, load_converted
from perturbations.errors import BadCheckpoint, MissingDetails
from perturbations.targets import Target, architecture, names

Small = Callable[[str], Target]


@pytest.fixture
def official(small: Small, tmp_path: Path) -> Callable[[str], Path]:
    """A small checkpoint in an official layout."""

    def write(name: str) -> Path:
        torch.save(small(name).generator.state_dict(), tmp_path / f"{name}.ckpt")
        return tmp_path / f"{name}.ckpt"

    return write


def admitted(path: Path, **details: Any) -> Admitted:
    return load_converted(path, path.with_name("copy"), known=GivenDetails(**details))


def test_a_stargan_says_neither_size_nor_edits(official: Callable[[str], Path]) -> None:
    path = official("stargan")
    with pytest.raises(MissingDetails) as caught:
        admitted(path)
    assert str(caught.value) == (
        "This StarGAN checkpoint does not say its image size and the names of its edits. Send image_size and edits. "
        "It has 2 edits."
    )
    with pytest.raises(MissingDetails, match=r"does not say the names of its edits\. Send edits\."):
        admitted(path, image_size=32)
    found = admitted(path, image_size=32, edits=["smile", "hat"])
    assert (found.target.image_size, found.target.edits, found.assumed) == (32, ("smile", "hat"), ())
    assert found.target.config["edits"] == {"smile": (1.0, 0.0), "hat": (0.0, 1.0)}
    assert admitted(path, image_size=32, edits={"both": [1, 1]}).target.edits == ("both",)


def test_the_number_of_edits_must_fit_the_network(official: Callable[[str], Path]) -> None:
    with pytest.raises(BadCheckpoint, match="has 2 edits; names given: 3"):
        admitted(official("stargan"), image_size=32, edits=["a", "b", "c"])
    with pytest.raises(BadCheckpoint, match="labels"):
        admitted(official("stargan"), image_size=32, edits={"a": [1, 0, 0]})
    with pytest.raises(BadCheckpoint, match="no published StarGAN"):
        admitted(official("stargan"), image_size=32, edits=OFFICIAL)


def test_the_published_checkpoint_has_its_edits(tmp_path: Path) -> None:
    cls = architecture("stargan")
    target = cls.from_config({**cls.small, "c_dim": 5, "edits": {"any": [0.0] * 5}})
    torch.save(target.generator.state_dict(), tmp_path / "200000-G.ckpt")
    with pytest.raises(MissingDetails, match="For the published checkpoint send edits=official"):
        admitted(tmp_path / "200000-G.ckpt", image_size=128)
    found = admitted(tmp_path / "200000-G.ckpt", image_size=128, edits=OFFICIAL)
    assert "blond_hair" in found.target.edits
    named = admitted(tmp_path / "200000-G.ckpt", image_size=128, edits=list("abcde"))
    assert named.target.config["edits"]["b"] == (0.0, 1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", names())
def test_the_missing_details_of_every_architecture_are_enough(
    official: Callable[[str], Path], small: Small, name: str
) -> None:
    path, target = official(name), small(name)
    size = target.image_size
    try:
        found = admitted(path)
    except MissingDetails as error:
        details: dict[str, Any] = {"image_size": size} if "image_size" in error.fields else {}
        if "edits" in error.fields:
            shown = load_converted(path, path.with_name("copy"), known=GivenDetails(), may_assume=True)
            labels = type(target).label_edits(shown.target.config)
            details["edits"] = [f"edit_{i}" for i in range(len(labels))]
        found = admitted(path, **details)
    assert found.target.image_size == size
    assert found.assumed == ()


def test_a_size_must_fit(official: Callable[[str], Path]) -> None:
    assert admitted(official("relighting"), image_size=64).target.image_size == 64
    with pytest.raises(BadCheckpoint, match="multiple of 16"):
        admitted(official("relighting"), image_size=100)


def test_a_note_says_everything(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    save_checkpoint(small("stargan"), path, extra={})
    found = admitted(path)
    assert (found.kept, found.assumed) == (path, ())
    assert found.target.edits == small("stargan").edits
    assert admitted(path, image_size=64, edits=["x", "y"]).target.image_size == 64


def test_what_an_older_version_assumed_is_named(official: Callable[[str], Path], tmp_path: Path) -> None:
    path = official("stargan")
    guessed = load_converted(path, tmp_path / "old", known=GivenDetails(), may_assume=True)
    assert guessed.assumed == ("image_size", "edits")
    config = dict(guessed.target.config)

    def assumed(file: Path, *, note_counts: bool, **changes: Any) -> tuple[str, ...]:
        known = RecordedDetails(architecture="stargan", config={**config, **changes}, note_counts=note_counts)
        return load_converted(file, tmp_path / "copy", known=known, may_assume=True).assumed

    # the copy of that version has a note of its own making
    assert assumed(tmp_path / "old", note_counts=False) == ("image_size", "edits")
    assert assumed(tmp_path / "old", note_counts=False, image_size=64) == ("edits",)
    assert assumed(tmp_path / "old", note_counts=True) == ()
    save_checkpoint(guessed.target, tmp_path / "trained", extra={"recipe": "ours"})
    assert assumed(tmp_path / "trained", note_counts=False) == ()
