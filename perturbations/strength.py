"""How much of a perturbation is added: the less, the less it is seen and does."""

from __future__ import annotations

from typing import Final, Literal, get_args

from perturbations.errors import UnknownName

Strength = Literal["subtle", "standard", "strong"]
"""What a caller may ask for."""
STRENGTHS: Final[tuple[Strength, ...]] = get_args(Strength)


def strength_of(name: str) -> Strength:
    """The strength called ``name``.

    Raises:
        UnknownName: there is none.
    """
    for strength in STRENGTHS:
        if strength == name:
            return strength
    raise UnknownName("strength", name, STRENGTHS)
