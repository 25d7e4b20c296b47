"""Changing a record in Redis as one atomic step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, Self, TypeVar, cast

from redis import Redis, WatchError


class Record(Protocol):
    """A model kept as JSON. revision: how often it was changed."""

    revision: int

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> Self:
        """The record of a document."""


R = TypeVar("R", bound=Record)


class Updated(NamedTuple, Generic[R]):
    """A record as it is now, and whether it was changed."""

    record: R
    changed: bool


def update(
    redis: Redis,
    key: str,
    model: type[R],
    change: Callable[[R], None],
    store: Callable[[Redis, R], None],
    *,
    only: Callable[[R], bool] = lambda _: True,
) -> Updated[R] | None:
    """Apply ``change`` to the record at ``key``; ``None`` if there is none any more.

    It may run again if another change came between.

    store: adds the commands that keep the changed record to the pipeline it is given. only: decides whether a record is
    changed; others stay as they are.
    """
    with redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(key)
                raw = cast("bytes | None", pipe.get(key))
                if raw is None:
                    return None
                record = model.model_validate_json(raw)
                if not only(record):
                    return Updated(record, changed=False)
                change(record)
                record.revision += 1
                pipe.multi()
                store(pipe, record)
                pipe.execute()
            except WatchError:
                continue
            return Updated(record, changed=True)
