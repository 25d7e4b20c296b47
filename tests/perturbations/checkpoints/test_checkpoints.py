"""Checkpoint files: the official containers, our own, and all that must be refused without harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from perturbations.checkpoints import (
    identify,
    inspect_checkpoint,
    load_checkpoint,
    read_note,
    read_state,
    save_checkpoint,
    sha256,
)
from perturbations.errors import BadCheckpoint, UnknownName
from perturbations.targets import Target, names
from perturbations.targets.stargan import StarGAN
from tests.helpers.zip_listings import listing

Small = Callable[[str], Target]


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return list(found) == list(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture(params=["zip", "legacy"])
def save(request: pytest.FixtureRequest) -> Callable[[Any, Path], None]:
    """``torch.save`` in either of PyTorch's containers."""

    def write(content: Any, path: Path) -> None:
        torch.save(content, path, _use_new_zipfile_serialization=request.param == "zip")

    return write


@pytest.fixture
def state(small: Small) -> dict[str, Tensor]:
    return dict(small("stargan").generator.state_dict())


def test_pytorch_containers(state: dict[str, Tensor], save: Callable[[Any, Path], None], tmp_path: Path) -> None:
    save(state, tmp_path / "200000-G.ckpt")
    assert same(read_state(tmp_path / "200000-G.ckpt"), state)


@pytest.mark.parametrize("key", ["G", "gen_test"])
def test_the_generator_is_taken_out_of_official_checkpoints(
    state: dict[str, Tensor], save: Callable[[Any, Path], None], tmp_path: Path, key: str
) -> None:
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    others = {"gen": {}, "D": network.state_dict(), "optG": optimizer.state_dict(), "epoch": 3}
    save({**others, key: state}, tmp_path / "weights.149.pth")
    assert same(read_state(tmp_path / "weights.149.pth"), state)


def test_data_parallel_names_are_stripped(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "parallel.pt")
    assert same(read_state(tmp_path / "parallel.pt"), state)


def test_files_from_before_batches_were_counted(small: Small, state: dict[str, Tensor], tmp_path: Path) -> None:
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.ckpt")
    assert len(old) < len(state)
    target = load_checkpoint(tmp_path / "old.ckpt", config=small("stargan").config)
    assert same(dict(target.generator.state_dict()), state)


def test_loading_leaves_the_random_state_alone(small: Small, tmp_path: Path) -> None:
    save_checkpoint(small("attgan"), tmp_path / "a.safetensors", extra={})
    before = torch.get_rng_state()
    load_checkpoint(tmp_path / "a.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


def test_saved_files_are_half_precision_and_say_what_they_are(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "stargan.safetensors"
    save_checkpoint(small("stargan"), path, extra={"licence": "CC0-1.0"})
    with safe_open(path, framework="pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
        note = json.loads(file.metadata()["poise"])
    assert kinds == {torch.float16, torch.int64}
    assert note == read_note(path)
    assert (note["architecture"], note["licence"]) == ("stargan", "CC0-1.0")
    assert note["config"] == json.loads(json.dumps(small("stargan").config))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_half_precision_cannot_hold_stays_in_single(small: Small, tmp_path: Path) -> None:
    target = small("attgan")
    variance = target.generator.state_dict()["enc_layers.0.layers.1.running_var"]
    variance.fill_(1_000_001)
    save_checkpoint(target, tmp_path / "a.safetensors", extra={})
    loaded = load_checkpoint(tmp_path / "a.safetensors").generator.state_dict()
    assert torch.equal(loaded["enc_layers.0.layers.1.running_var"], variance)


def test_a_failed_save_leaves_the_old_file(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(small("attgan"), path, extra={"run": 1})
    unusable: tuple[dict[str, Any], ...] = ({"config": {}}, {"loss": float("nan")})
    for extra in unusable:
        with pytest.raises(ValueError, match=r"config|JSON"):
            save_checkpoint(small("stargan"), path, extra=extra)
    note = read_note(path)
    assert note is not None
    assert (note["architecture"], note["run"]) == ("attgan", 1)
    assert len(list(tmp_path.iterdir())) == 1


def test_fields_can_be_replaced_while_loading(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_checkpoint(small("stargan"), path, extra={})
    target = load_checkpoint(path, architecture="stargan", config={"edits": {"both": (1, 1)}, "image_size": 64})
    assert (target.edits, target.image_size) == (("both",), 64)
    with pytest.raises(BadCheckpoint, match="1 labels"):
        load_checkpoint(path, config={"edits": {"short": (1,)}})
    with pytest.raises(BadCheckpoint, match=r"does not fit stargan as configured: main\.0\.weight is"):
        load_checkpoint(path, config={"edits": {"all": (1, 1, 1)}, "c_dim": 3})


def test_another_architecture_can_be_refused(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_checkpoint(small("stargan"), path, extra={})
    with pytest.raises(BadCheckpoint, match="holds a stargan generator, not hisd"):
        load_checkpoint(path, architecture="hisd")
    with pytest.raises(UnknownName, match="stargan"):
        load_checkpoint(path, architecture="pix2pix")


def test_inspecting(small: Small, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_checkpoint(small("stargan"), path, extra={})
    info = inspect_checkpoint(path)
    generator = small("stargan").generator
    assert info.architecture == "stargan"
    assert info.parameters == sum(parameter.numel() for parameter in generator.parameters())
    assert info.bytes == len(path.read_bytes())
    assert info.sha256 == sha256(path)
    assert len(info.sha256) == 64


# What must be refused


class Command:
    """A pickle that runs a command as it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (self.command,))


@pytest.mark.parametrize("as_state", [False, True])
def test_code_in_a_checkpoint_never_runs(
    save: Callable[[Any, Path], None], tmp_path: Path, state: dict[str, Tensor], as_state: bool
) -> None:
    proof = tmp_path / "it-ran"
    attack = Command(f"touch {proof}")
    save({**state, "attack": attack} if as_state else attack, tmp_path / "evil.pth")
    with pytest.raises(BadCheckpoint, match=r"contains code or objects.*system.*not loaded"):
        read_state(tmp_path / "evil.pth")
    assert not proof.exists()
    # the attack works where nothing guards against it
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert proof.exists()


def test_code_in_a_bare_pickle_never_runs(tmp_path: Path) -> None:
    proof = tmp_path / "it-ran"
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Command(f"touch {proof}")))
    with pytest.raises(BadCheckpoint):
        read_state(tmp_path / "evil.pkl")
    assert not proof.exists()


def test_a_pickled_network_is_refused_with_advice(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "network.pth")
    with pytest.raises(BadCheckpoint, match=r"only the generator's state_dict"):
        read_state(tmp_path / "network.pth")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_truncated_files(
    small: Small, save: Callable[[Any, Path], None], state: dict[str, Tensor], tmp_path: Path, share: float
) -> None:
    save(state, tmp_path / "torch.ckpt")
    save_checkpoint(small("stargan"), tmp_path / "ours.safetensors", extra={})
    for path in list(tmp_path.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadCheckpoint, match=r"empty|damaged|neither") as caught:
            read_state(path)
        assert path.name in str(caught.value)


@pytest.mark.parametrize("start", [b"", b"\x80\x02", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{", b"\xff" * 8 + b"{"])
@pytest.mark.parametrize("seed", range(5))
def test_random_bytes(tmp_path: Path, start: bytes, seed: int) -> None:
    noise = torch.randint(0, 256, (4096,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    path = tmp_path / "noise.pth"
    path.write_bytes(start + bytes(noise.tolist()))
    with pytest.raises(BadCheckpoint, match=r"damaged|neither|code"):
        read_state(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(BadCheckpoint, match="no such file"):
            read_state(path)


@pytest.mark.parametrize("content", [{}, {"G": {}}, [1, 2], {"epoch": 3}, {"D": {"weight": 1}}, 7])
def test_files_without_a_generator(save: Callable[[Any, Path], None], tmp_path: Path, content: Any) -> None:
    save(content, tmp_path / "other.pth")
    with pytest.raises(BadCheckpoint, match=r"holds no (generator|tensors)"):
        read_state(tmp_path / "other.pth")


def test_a_foreign_network_is_told_what_is_known(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(BadCheckpoint, match="fits no known architecture") as caught:
        load_checkpoint(tmp_path / "linear.pth")
    assert all(name in str(caught.value) for name in names())


@pytest.mark.parametrize("name", names())
def test_a_near_miss_is_told_what_differs(small: Small, name: str) -> None:
    state = dict(small(name).generator.state_dict())
    biases = [key for key in state if key.endswith("bias")]
    removed = {key: value for key, value in state.items() if key != biases[-1]}
    for wrong in (removed, {**state, "stranger": torch.zeros(1)}, {**state, biases[-1]: torch.zeros(77)}):
        with pytest.raises(BadCheckpoint, match=rf"nearest is {name}, but ({biases[-1]}|stranger) is"):
            identify(wrong)


@pytest.mark.parametrize("name", names())
def test_no_subset_of_a_layout_breaks_the_recognition(small: Small, name: str) -> None:
    state = dict(small(name).generator.state_dict())
    keys = [key for key in state if not key.endswith("num_batches_tracked")]
    # a prime stride visits every kind of tensor of the larger layouts
    for key in keys[:: 1 if len(keys) < 50 else 5]:
        for wrong in ({k: v for k, v in state.items() if k != key}, {**state, key: torch.zeros(())}):
            with pytest.raises(BadCheckpoint):
                identify(wrong)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(state: dict[str, Tensor], tmp_path: Path, bad: float) -> None:
    weight = state["main.0.weight"].clone()
    weight[0, 0, 0, 0] = bad
    torch.save({**state, "main.0.weight": weight}, tmp_path / "diverged.pth")
    with pytest.raises(BadCheckpoint, match=r"main\.0\.weight has values that are not finite"):
        read_state(tmp_path / "diverged.pth")


def test_sizes_are_limited_on_disk_unpacked_and_in_memory(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "plain.pth")
    with pytest.raises(BadCheckpoint, match="more than the limit of 1000"):
        read_state(tmp_path / "plain.pth", max_bytes=1000)

    plain = io.BytesIO()
    torch.save({"weight": torch.zeros(1_000_000)}, plain)
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in archive.infolist():
            packed.writestr(entry.filename, archive.read(entry))
    assert (tmp_path / "bomb.pth").stat().st_size < 100_000
    with pytest.raises(BadCheckpoint, match="unpacks to"):
        read_state(tmp_path / "bomb.pth", max_bytes=100_000)

    with pytest.raises(BadCheckpoint, match="lists too many files"):
        read_state(listing(tmp_path / "listing.pth", 200_000, count="one"))

    torch.save({"weight": torch.zeros(1).expand(1_000_000)}, tmp_path / "view.pth")
    with pytest.raises(BadCheckpoint, match="declares more than"):
        read_state(tmp_path / "view.pth", max_bytes=100_000)


@pytest.mark.parametrize(
    "note",
    [
        "not json",
        "[" * 100_000,
        "[]",
        '{"config": {}}',
        '{"architecture": "stargan", "config": []}',
        '{"architecture": "pix2pix", "config": {}}',
        '{"architecture": "stargan", "config": {}}',
        '{"architecture": "stargan", "config": {"edits": {"a": [1, 0]}, "repeat_num": 1000000000}}',
        '{"architecture": "stargan", "config": {"edits": {"a": [1, 0]}, "conv_dim": -4}}',
        '{"architecture": "stargan", "config": {"edits": {"a": [1, 0]}, "conv_dim": 8, "c_dim": 2, "repeat_num": 1}}',
        '{"architecture": "stargan", "config": {"edits": {"a": "xy"}, "conv_dim": 4, "c_dim": 2, "repeat_num": 1}}',
        '{"architecture": "stargan", "config": {"edits": 3, "conv_dim": 4, "c_dim": 2, "repeat_num": 1}}',
        '{"architecture": "hisd", "config": {"edits": {"a": 3}, "encoder": []}}',
    ],
)
def test_notes_are_not_believed(state: dict[str, Tensor], tmp_path: Path, note: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata={"poise": note})
    with pytest.raises((BadCheckpoint, UnknownName)):
        load_checkpoint(path)


def test_safetensors_without_a_note_are_recognised_by_their_layout(state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "plain.safetensors")
    assert isinstance(load_checkpoint(tmp_path / "plain.safetensors"), StarGAN)
    assert read_note(tmp_path / "plain.safetensors") is None


@pytest.mark.parametrize("length", [0x80, 0x4B50])
def test_safetensors_are_not_mistaken_for_pytorch_files(state: dict[str, Tensor], tmp_path: Path, length: int) -> None:
    """The length of their header comes first, and may begin with the bytes of either PyTorch signature."""
    path, padding = tmp_path / "a.safetensors", 0
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata={"padding": ""})
    body = path.read_bytes()
    size = int.from_bytes(body[:8], "little")
    # white space is allowed behind the header
    while (size + padding) & (0xFF if length < 0x100 else 0xFFFF) != length:
        padding += 1
    path.write_bytes((size + padding).to_bytes(8, "little") + body[8 : 8 + size] + b" " * padding + body[8 + size :])
    assert set(read_state(path)) == set(state)
