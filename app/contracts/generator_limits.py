"""What generators from outside may cost, each alone and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from app.contracts.settings import Settings

MOST: Final = 20
SECONDS: Final = 60
MEGABYTES: Final = 1500
CHECK_SECONDS: Final = 60


class Allowance(NamedTuple):
    """most: uploads of any status. seconds: of one processor, for one face. check_seconds: for the check of one."""

    most: int = MOST
    seconds: int = SECONDS
    megabytes: int = MEGABYTES
    check_seconds: int = CHECK_SECONDS

    def exceeded(self, seconds: float, megabytes: int) -> str | None:
        """Why all that is enabled would take too much, if so, and what to do."""
        if seconds <= self.seconds and megabytes <= self.megabytes:
            return None
        return (
            f"With the generators that are enabled it would take {seconds:.1f} s of one processor a face and "
            f"{megabytes} MB; allowed are {self.seconds} s (POISE_GENERATOR_SECONDS) and "
            f"{self.megabytes} MB (POISE_GENERATOR_MEGABYTES). Disable another one, then enable it."
        )

    @classmethod
    def of(cls, settings: Settings) -> Allowance:
        """That of an installation."""
        return cls(
            settings.max_generators,
            settings.generator_seconds,
            settings.generator_megabytes,
            settings.check_seconds,
        )
