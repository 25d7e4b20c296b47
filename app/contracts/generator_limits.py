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

    @classmethod
    def of(cls, settings: Settings) -> Allowance:
        """That of an installation."""
        return cls(
            settings.max_generators,
            settings.generator_seconds,
            settings.generator_megabytes,
            settings.check_seconds,
        )
