"""Architectures by name, imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from perturbations.errors import BadPlugin, UnknownName
from perturbations.targets.interface import Target
from perturbations.targets.plugins import declared, plugin

ARCHITECTURES: Final = {
    "stargan": "perturbations.targets.stargan:StarGAN",
    "attentiongan": "perturbations.targets.attentiongan:AttentionGAN",
    "attgan": "perturbations.targets.attgan:AttGAN",
    "hisd": "perturbations.targets.hisd:HiSD",
    "faceswap": "perturbations.targets.faceswap:FaceSwap",
    "latent_diffusion": "perturbations.targets.latent_diffusion:LatentDiffusion",
    "cyclegan": "perturbations.targets.cyclegan:CycleGAN",
    "relighting": "perturbations.targets.relighting:Relighting",
}


def names() -> tuple[str, ...]:
    """All known architectures, in the order reports use: the built-in ones, then what plug-ins declare."""
    return (*ARCHITECTURES, *dict.fromkeys(p.name for p in declared() if p.name not in ARCHITECTURES))


def broken() -> dict[str, str]:
    """Plug-ins that cannot be used, and why; imports all of them."""
    reasons = {}
    for found in declared():
        if found.name in ARCHITECTURES:
            reasons[found.name] = f"{found.source} cannot provide {found.name}, which is built in; rename the plug-in"
            continue
        try:
            plugin(found.name)
        except BadPlugin as error:
            reasons[found.name] = str(error)
    return reasons


def architecture(name: str) -> type[Target]:
    """The class of an architecture.

    Raises:
        UnknownName: nothing of that name is registered.
        BadPlugin: a plug-in declares it and cannot be used.
    """
    if name not in ARCHITECTURES:
        try:
            return plugin(name)
        except KeyError:
            raise UnknownName("architecture", name, names()) from None
    module, _, attribute = ARCHITECTURES[name].partition(":")
    found: type[Target] = getattr(import_module(module), attribute)
    return found
