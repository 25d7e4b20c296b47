"""How many files, and so connections, this process may have open at once."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

OTHERS: Final = 300
"""Files besides clients' connections: to Redis and the storage, files being read, connections being accepted."""


def raise_limit(wanted: int) -> int:
    """Let this process open ``wanted`` files at once, or as many as the system allows. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < possible:
        with suppress(OSError, ValueError):  # some systems have another limit that they do not name here
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def connections_within(files: int, *, wanted: int) -> int:
    """How many of ``wanted`` connections fit into ``files``, with some left for everything else."""
    return max(1, min(wanted, files - min(OTHERS, files // 2)))
