"""Reference numbers of the official implementations, and small targets with seeded weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from perturbations.targets import Target, architecture, names

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True)
def _only_what_can_be_built(request: pytest.FixtureRequest) -> None:
    """Tests of an architecture (``name``) whose optional library is missing are skipped, and say which."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name in names() and (reason := architecture(name).unavailable()) is not None:
        pytest.skip(f"{name} {reason}")


class Golden(NamedTuple):
    """A small seeded network of an official implementation: its state, inputs, outputs and configuration."""

    state: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    config: Mapping[str, Any]


def _read(name: str) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    with safe_open(GOLDEN / f"{name}.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    def read(name: str) -> Golden:
        tensors, notes = _read(name)
        # networks made from one seed have layers in common, which only one of their files holds
        for other, keys in json.loads(notes.get("shared", "{}")).items():
            tensors |= {key: value for key, value in _read(other)[0].items() if key in keys}
        config = json.loads(notes["config"])
        parts = [
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            for prefix in ("state/", "in/", "out/")
        ]
        return Golden(parts[0], parts[1], parts[2], config)

    return read


@pytest.fixture(scope="session")
def layout_of() -> Callable[[str], dict[str, tuple[int, ...]]]:
    """Names and shapes of a full-size official checkpoint."""

    def read(name: str) -> dict[str, tuple[int, ...]]:
        text = (GOLDEN / f"{name}.keys.json").read_text(encoding="utf-8")
        return {key: tuple(shape) for key, shape in json.loads(text).items()}

    return read


@pytest.fixture(scope="session")
def small() -> Callable[[str], Target]:
    """A small target of an architecture, the same weights every time."""

    def build(name: str) -> Target:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            cls = architecture(name)
            return cls.from_config(cls.small)

    return build


@pytest.fixture(scope="session")
def faces() -> Callable[[Target], Tensor]:
    """Two seeded images of the size a target takes, ``[2, 3, H, W]`` in [-1, 1]."""

    def draw(target: Target) -> Tensor:
        noise = torch.Generator().manual_seed(1)
        return torch.rand(2, 3, target.image_size, target.image_size, generator=noise) * 2 - 1

    return draw
