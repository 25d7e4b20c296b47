"""Who goes where connections become too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.guards.eviction import OpenConnections


class Connection:
    def __init__(self) -> None:
        self.kept = True

    def cut(self) -> None:
        self.kept = False


def full(most: int) -> tuple[OpenConnections, list[Connection]]:
    present, connections = OpenConnections(most), [Connection() for _ in range(most)]
    for at, connection in enumerate(connections):
        assert present.enter(connection, now=at)
    return present, connections


def gone(connections: list[Connection]) -> list[int]:
    return [at for at, connection in enumerate(connections) if not connection.kept]


def test_the_oldest_head_goes_first() -> None:
    present, connections = full(4)
    present.awaits(connections[0], None, now=4)  # its request is being answered
    present.awaits(connections[1], "head", now=4)  # a byte more of a head buys no time
    assert present.enter(Connection(), now=5)
    assert gone(connections) == [1]


def test_a_transfer_that_stands_still_goes_before_a_head_that_may_come_yet() -> None:
    present, connections = full(3)
    present.awaits(connections[0], "move", now=7)
    present.awaits(connections[1], "move", now=8)
    present.awaits(connections[2], "head", now=8)
    present.leave(connections[2])
    assert present.enter(young := Connection(), now=9.5)
    assert present.enter(Connection(), now=9.6)
    assert (gone(connections), young.kept) == ([0], True)


def test_transfers_that_move_and_answers_being_made_stay() -> None:
    present, connections = full(2)
    present.awaits(connections[0], None, now=8)
    present.awaits(connections[1], "move", now=8)
    present.awaits(connections[1], "move", now=9.9)
    assert not present.enter(Connection(), now=10)
    assert gone(connections) == []


def test_who_has_left_makes_room() -> None:
    present, connections = full(2)
    for connection in connections:
        present.awaits(connection, None, now=2)
    present.leave(connections[0])
    present.awaits(connections[0], "head", now=3)  # too late to count
    assert present.enter(Connection(), now=3)
    assert not present.enter(Connection(), now=3) or gone(connections) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["enter", "leave", "head", "move", None]))))
def test_there_are_never_too_many(steps: list[tuple[int, str | None]]) -> None:
    present, connections = OpenConnections(3), [Connection() for _ in range(10)]
    inside: set[int] = set()
    for now, (who, what) in enumerate(steps):
        if what == "enter" and who not in inside:
            connections[who].kept = True
            if present.enter(connections[who], now=now):
                inside.add(who)
        elif what == "leave":
            present.leave(connections[who])
            inside.discard(who)
        elif what in ("head", "move", None):
            present.awaits(connections[who], what, now=now)  # type: ignore[arg-type]
        inside = {at for at in inside if connections[at].kept}
        assert len(inside) <= 3
