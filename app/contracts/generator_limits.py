"""How much time and memory generators from outside may take, each alone and all together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from app.contracts.settings import Settings

MOST: Final = 20
SECONDS: Final = 60
MEGABYTES: Final = 1500
CHECK_SECONDS: Final = 60


class Allowance(NamedTuple):
    """most: uploads of any status. seconds: processor seconds for one face. check_seconds: for one check."""

    most: int = MOST
    seconds: int = SECONDS
    megabytes: int = MEGABYTES
    check_seconds: int = CHECK_SECONDS

    def exceeded(self, seconds: float, megabytes: int) -> str | None:
        """Why all enabled generators together would take too much, and what to do; ``None`` if they do not."""
        if seconds <= self.seconds and megabytes <= self.megabytes:
            return None
        return (
            f"Together with the enabled generators, it would take {seconds:.1f} s of processor time for one face and "
            f"{megabytes} MB; the limits are {self.seconds} s (POISE_GENERATOR_SECONDS) and "
            f"{self.megabytes} MB (POISE_GENERATOR_MEGABYTES). Disable another generator, then enable this one."
        )

    @classmethod
    def of(cls, settings: Settings) -> Allowance:
        """The allowance that the settings configure."""
        return cls(
            settings.max_generators,
            settings.generator_seconds,
            settings.generator_megabytes,
            settings.check_seconds,
        )
