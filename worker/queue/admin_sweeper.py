"""Keeps what administrators asked for from getting lost: trainings, checks of checkpoints, the choice of a version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.contracts.logs import event
from app.contracts.names import CHECK_ARCHITECTURE, TRAIN
from app.contracts.records.generator_store import Generators
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.schedules import SharedSchedule
from app.contracts.storage import Storage

_log = logging.getLogger(__name__)

VERSION_SECONDS: Final = 10.0
"""Pause between checks of which version is active."""
SLOW_SECONDS: Final = 60.0
"""Pause between checks that are rarely needed."""
ORPHAN_SECONDS: Final = 3600.0
"""A record is written after its files; files without one for this long never get one."""
CHECK_SECONDS: Final = 300.0
"""A checkpoint that waits longer than this for its check has lost its message."""


@dataclass(slots=True)
class AdminSweeper:
    """Repeats calls to trainers and checks, and keeps the announcements in Redis in line with the storage.

    send: hands a task, by name, and a training's id or an architecture's name to the queues. version_schedule,
    slow_schedule: whose turn it is to scan the storage; one process does it for all.
    """

    trainings: Trainings
    versions: Versions
    generators: Generators
    storage: Storage
    send: Callable[[str, str], None]
    version_schedule: SharedSchedule
    slow_schedule: SharedSchedule

    def sweep(self, now: float) -> None:
        """Do what is due at ``now`` (monotonic seconds)."""
        if self.version_schedule.claim(now):
            self.announce()
        called = self.trainings.call_is_due()
        if called is not None:
            event(_log, "training.called_again", training=called)
            self.send(TRAIN, called)
        if self.slow_schedule.claim(now):
            self.versions.announce()
            self.recheck(older_than=CHECK_SECONDS)
            self.remove_orphans(older_than=ORPHAN_SECONDS)

    def announce(self) -> None:
        """Announce what was chosen or added on the command line, or what Redis has lost."""
        if self.versions.announced() != self.versions.active():
            self.versions.announce()
        if not self.generators.stamp.is_announced():
            self.generators.stamp.announce()

    def remove_orphans(self, *, older_than: float) -> int:
        """Remove files whose record was never written, or is gone. Returns how many."""
        newest = time.time() - older_than
        orphans = 0
        for prefix in ("perturbations", "datasets", "architectures"):
            entries = list(self.storage.entries(prefix))
            keys = {entry.key for entry in entries}
            for entry in entries:
                if entry.modified <= newest and _record_of(entry.key) not in keys:
                    self.storage.delete(entry.key)
                    orphans += 1
        if orphans:
            event(_log, "storage.orphans_removed", files=orphans)
        return orphans

    def recheck(self, *, older_than: float) -> int:
        """Have every generator checked that has waited for ``older_than`` seconds. Returns how many.

        Those that only an older version has checked are checked again.
        """
        newest = time.time() - older_than
        records = self.generators.all()
        for record in records:
            if record.outdated:
                self.generators.check_again(record.key)
        waiting = [r for r in records if r.outdated or (r.status == "checking" and r.created_at.timestamp() <= newest)]
        for record in waiting:
            self.send(CHECK_ARCHITECTURE, record.key)
        return len(waiting)


def _record_of(key: str) -> str:
    """The record that a file belongs to: one for each folder."""
    return key.rpartition("/")[0] + "/record.json"
