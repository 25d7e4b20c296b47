"""Face swap: agreement with the official generator, and the two sides a photo can stand on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from perturbations.checkpoints import load_checkpoint, read_note, save_checkpoint
from perturbations.errors import BadCheckpoint
from perturbations.targets import Layout, Target, architecture, names
from perturbations.targets.faceswap import OFFICIAL_EDITS, FaceSwap, SeededEdit, SourceEdit, joint_tap, parse_edit

Small = Callable[[str], Target]
Faces = Callable[[Target], Tensor]
Read = Callable[[str], Any]


@pytest.fixture
def target(small: Small) -> FaceSwap:
    """Two templates that differ from each other and from grey."""
    swap = FaceSwap.from_config({**FaceSwap.small, "templates": 2})
    swap.load_generator(small("faceswap").generator.state_dict())
    assert swap.templates is not None
    assert swap.identity is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        swap.templates.faces.uniform_(-1, 1)
        for parameter in swap.identity.parameters():
            parameter.uniform_(-0.5, 0.5)
    return swap


def _official_state(layout: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state the reference numbers were made with: a rule over the layout, in its order, from one generator."""
    rng = torch.Generator().manual_seed(1)
    state = {}
    for name, tensor in layout.items():
        if not tensor.is_floating_point():
            state[name] = tensor
            continue
        r = torch.randn(tensor.shape, generator=rng)
        if name.endswith(".running_var"):
            r = 0.5 * r.abs() + 0.5
        elif tensor.ndim in {2, 4}:
            r /= r[0].numel() ** 0.5
        elif name.endswith(".weight"):
            r = 1 + 0.2 * r
        else:
            r *= 0.1
        state[name] = r
    return state


def test_it_agrees_with_the_official_generator(golden: Read) -> None:
    _, inputs, outputs, official = golden("simswap")
    target = FaceSwap(edits={"given": {"identity": inputs["identity"][0].tolist()}}, image_size=64)
    state = _official_state(target.generator.state_dict())
    total = sum(float(tensor.double().abs().sum()) for tensor in state.values() if tensor.is_floating_point())
    assert total == pytest.approx(official["sum_abs_state"], rel=1e-6)
    target.load_generator(state)
    with torch.inference_mode():
        output, bottleneck = target.manipulate(inputs["x"] * 2 - 1, "given")
    torch.testing.assert_close((output + 1) / 2, outputs["y"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(bottleneck, outputs["bottleneck"], rtol=1e-4, atol=1e-4)


def test_the_official_layout_is_the_default(golden: Read, layout_of: Read) -> None:
    expected = layout_of("simswap_generator")
    official = golden("simswap").config
    config = FaceSwap.infer_config(Layout(expected))
    assert config is not None
    assert (config["latent_size"], config["n_blocks"]) == (official["latent_size"], official["n_blocks"])
    for chosen in (config, {"edits": OFFICIAL_EDITS}):
        with torch.device("meta"):
            made = FaceSwap.from_config(chosen)
        assert Layout.of(made.generator.state_dict()).shapes == expected
        assert made.image_size == 224
    others = [architecture(name).infer_config(Layout(expected)) for name in names() if name != "faceswap"]
    assert others == [None] * len(others)


def test_on_the_target_side_the_photo_is_what_is_replaced(target: FaceSwap, faces: Faces) -> None:
    x = faces(target)
    for edit in ("target", "seeded"):
        assert torch.equal(target.mask_reference(x, edit), x)
        assert not target.steals_identity(edit)
        assert target.features(x, edit).shape == (2, 32, 4, 4)


def test_on_the_source_side_the_template_is_what_is_replaced(target: FaceSwap, faces: Faces) -> None:
    x = faces(target)
    reference = target.mask_reference(x, "source")
    assert target.steals_identity("source")
    assert torch.equal(reference[0], reference[1])
    assert not torch.equal(reference[0], x[0])
    target.set_edit("source", SourceEdit(1))
    assert not torch.equal(target.mask_reference(x, "source"), reference)


def test_the_source_gives_its_identity_and_nothing_else(target: FaceSwap, faces: Faces) -> None:
    x = faces(target)
    identity = target.read_identity(x)
    torch.testing.assert_close(identity.norm(dim=1), torch.ones(2))
    first = target(x, "source")[:1]
    target.set_edit("target", parse_edit({"identity": identity[0].tolist()}))
    template = target.mask_reference(x[:1], "source")
    torch.testing.assert_close(target(template, "target"), first, rtol=1e-4, atol=1e-5)


def test_the_length_of_an_identity_does_not_matter(target: FaceSwap, faces: Faces) -> None:
    x = faces(target)
    before = target(x, "target")
    target.set_edit("target", parse_edit({"identity": (5.0, -10.0, 2.5, 20.0)}))
    torch.testing.assert_close(target(x, "target"), before)


@pytest.mark.parametrize("shape", [(32, 2, 2), (4, 8, 8)])
def test_each_part_of_the_source_side_tap_has_its_share(shape: tuple[int, ...]) -> None:
    identity = torch.nn.functional.normalize(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    bottleneck = torch.full((3, *shape), 2.5**0.5)  # mean square of two blocks and a half
    tap = joint_tap(identity, bottleneck, blocks=2)
    powers = tap[:, :16].square().sum(dim=1), tap[:, 16:].square().sum(dim=1)
    torch.testing.assert_close(powers[0], powers[1])


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ({"identity": (1.0, 0.0)}, "4 values, not 2"),
        ({"identity": (0.0,) * 4}, "not zero"),
        ({"identity": (float("nan"),) * 4}, "finite"),
        ({"seed": -1}, "seed"),
        ({"template": 1}, "template 1"),
        ({"template": -1}, "template -1"),
    ],
)
def test_impossible_edits_are_refused(edit: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"'wrong'.*{why}"):
        FaceSwap.from_config({**FaceSwap.small, "edits": {"wrong": edit}})


@pytest.mark.parametrize("fields", [{}, {"seed": 0, "hue": 1}, {"identity": (1.0,), "template": 0}])
def test_malformed_edits_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        parse_edit(fields)


def test_without_an_encoder_there_is_no_source_side(small: Small) -> None:
    with pytest.raises(ValueError, match="no identity encoder"):
        FaceSwap.from_config({**FaceSwap.small, "identity_width": 0})
    bare = FaceSwap(edits={"seeded": SeededEdit(0)}, width=4, latent_size=4, n_blocks=1, image_size=32)
    assert not bare.companions
    with pytest.raises(ValueError, match="has no identity encoder"):
        bare.read_identity(torch.zeros(1, 3, 32, 32))
    assert set(small("faceswap").companions) == {"identity", "templates"}


def test_an_official_checkpoint_loads_and_takes_identities(small: Small, tmp_path: Path) -> None:
    torch.save(small("faceswap").generator.state_dict(), tmp_path / "latest_net_G.pth")
    known = cast(FaceSwap, load_checkpoint(tmp_path / "latest_net_G.pth"))
    assert known.edits == tuple(OFFICIAL_EDITS)
    edits = {"edits": {"someone": {"identity": (1.0, 2.0, 3.0, 4.0)}}, "image_size": 32}
    told = load_checkpoint(tmp_path / "latest_net_G.pth", config=edits)
    assert (told.edits, told.image_size) == (("someone",), 32)


def test_companions_travel_with_the_checkpoint(target: FaceSwap, faces: Faces, tmp_path: Path) -> None:
    path = tmp_path / "swap.safetensors"
    save_checkpoint(target, path, extra={})
    loaded = load_checkpoint(path)
    x = faces(target)
    for edit in target.edits:
        torch.testing.assert_close(loaded(x, edit), target(x, edit), rtol=0.05, atol=0.05)
        torch.testing.assert_close(loaded.mask_reference(x, edit), target.mask_reference(x, edit), atol=1e-3, rtol=0)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert all(tensor.dtype == torch.float32 for tensor in loaded.parameters())


def test_a_missing_or_extra_companion_does_not_load(target: FaceSwap, tmp_path: Path) -> None:
    path = tmp_path / "swap.safetensors"
    save_checkpoint(target, path, extra={})
    state, note = load_file(path), json.dumps(read_note(path))
    lacking = {name: tensor for name, tensor in state.items() if not name.startswith("companions.templates")}
    for wrong, what in (
        (lacking, r"companions\.templates\.faces is missing"),
        ({**state, "companions.stranger": torch.zeros(1)}, "stranger is not part of it"),
    ):
        save_file(wrong, path, metadata={"poise": note})
        with pytest.raises(BadCheckpoint, match=what):
            load_checkpoint(path)
