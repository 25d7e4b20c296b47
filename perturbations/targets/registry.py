"""Architectures by name, imported when first asked for."""

from __future__ import annotations

from typing import Final

from perturbations.errors import BadPlugin
from perturbations.plugins import Plugins, Registry
from perturbations.targets.interface import Target

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


def _misfit(name: str, found: type[Target]) -> str | None:
    """Why the class of a plug-in cannot have this name; ``None`` if it can."""
    return None if getattr(found, "architecture", None) == name else "its class calls its architecture something else"


# the base class is abstract, and plug-ins complete it
_PLUGINS: Final = Plugins("poise.targets", Target, _misfit)  # type: ignore[type-abstract]
_REGISTRY: Final = Registry("architecture", ARCHITECTURES, _PLUGINS)

# all known architectures, in the order reports use; the class of one; and what installed packages declare
names = _REGISTRY.names
architecture = _REGISTRY.load
declared = _PLUGINS.declared


def broken() -> dict[str, str]:
    """Plug-ins that cannot be used, and why; imports all of them."""
    reasons = {}
    for found in declared():
        if found.name in ARCHITECTURES:
            reasons[found.name] = f"{found.source} cannot provide {found.name}, which is built in; rename the plug-in"
            continue
        try:
            architecture(found.name)
        except BadPlugin as error:
            reasons[found.name] = str(error)
    return reasons
