"""Changing a record in Redis as one atomic step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeVar, cast

from redis import Redis, WatchError


class Record(Protocol):
    """A model kept as JSON. revision: how often it was changed."""

    revision: int

    @classmethod
    def model_validate_json(cls, json_data: bytes) -> Self:
        """The record of a document."""


R = TypeVar("R", bound=Record)


def update(
    redis: Redis, key: str, model: type[R], change: Callable[[R], None], store: Callable[[Redis, R], None]
) -> R | None:
    """Apply ``change`` to the record at ``key``, and hand it back; ``None`` where there is none any more.

    Whatever ``change`` raises leaves the record as it is. It may run again where another change came between.

    store: adds the commands that keep the changed record to the pipeline it is given.
    """
    with redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(key)
                raw = cast("bytes | None", pipe.get(key))
                if raw is None:
                    return None
                record = model.model_validate_json(raw)
                change(record)
                record.revision += 1
                pipe.multi()
                store(pipe, record)
                pipe.execute()
            except WatchError:
                continue
            return record
