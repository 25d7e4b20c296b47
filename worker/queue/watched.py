"""A sequence that tells how far somebody is who goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class Watched(Sequence[Item]):
    """``items``; ``tell`` is called with how many are done, whenever the next one is taken."""

    def __init__(self, items: Sequence[Item], tell: Callable[[int], None]) -> None:
        self._items = items
        self._tell = tell

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._items[index]

    def __iter__(self) -> Iterator[Item]:
        for done, item in enumerate(self._items):
            self._tell(done)
            yield item
