"""A service whose processes tests kill, and that some start again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.service.helpers import running
from tests.service.helpers.running import Running

STALL_SECONDS: Final = 2
"""How long it waits for a sender that stalls."""
STRICT_SECONDS: Final = 12
"""How long a photo may be worked on until it is protected."""
DISK_BYTES: Final = 128_000_000
"""The disk that its data lie on, where one can be mounted."""


@dataclass(frozen=True, slots=True)
class Lives:
    """All of its lives: the last one runs, those before it have ended. disk: the small one, if there is one."""

    all: list[Running]
    disk: Path | None

    @property
    def now(self) -> Running:
        """The service as it runs."""
        return self.all[-1]

    def begin(self) -> Running:
        """Start it again on its data."""
        self.all.append(running.start(self.now.data_dir, **self.now.environment))
        return self.now
