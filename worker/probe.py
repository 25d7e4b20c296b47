"""``python -m worker.probe [QUEUE…]``: ends with 0 when a process of this machine serves every QUEUE, or any at all.

The health check of containers: each holds one worker and has its own host name.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from redis import Redis, RedisError

from app.contracts.names import QUEUES
from app.contracts.redis import backlog, liveness
from app.contracts.settings import load_settings
from worker.process import Installation


def serves(redis: Redis, host: str, queues: Sequence[str]) -> bool:
    """Whether processes of ``host`` have signed in for all ``queues``; if none is named, for at least one.

    A queue whose messages nobody takes is not served, even if a worker has signed in.
    """
    try:
        served = {queue for queue in QUEUES if host in liveness.hosts(redis, queue) and not backlog.stuck(redis, queue)}
    except RedisError:
        return False
    return served.issuperset(queues) if queues else bool(served)


if __name__ == "__main__":
    sys.exit(not serves(Installation(load_settings()).redis, socket.gethostname(), sys.argv[1:]))
