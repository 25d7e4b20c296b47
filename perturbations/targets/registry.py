"""Architectures by name, imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from perturbations.errors import UnknownName
from perturbations.targets.base import Target

ARCHITECTURES: Final = {
    "stargan": "perturbations.targets.stargan:StarGAN",
    "attentiongan": "perturbations.targets.attentiongan:AttentionGAN",
    "attgan": "perturbations.targets.attgan:AttGAN",
    "hisd": "perturbations.targets.hisd:HiSD",
}


def names() -> tuple[str, ...]:
    """All known architectures, in the order reports use."""
    return tuple(ARCHITECTURES)


def architecture(name: str) -> type[Target]:
    """The class of an architecture.

    Raises:
        UnknownName: nothing of that name is registered.
    """
    if name not in ARCHITECTURES:
        raise UnknownName("architecture", name, ARCHITECTURES)
    module, _, attribute = ARCHITECTURES[name].partition(":")
    found: type[Target] = getattr(import_module(module), attribute)
    return found
