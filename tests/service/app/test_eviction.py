"""Who goes where connections become too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.guards.eviction import Crowd


class Guest:
    def __init__(self) -> None:
        self.present = True

    def cut(self) -> None:
        self.present = False


def full(most: int) -> tuple[Crowd, list[Guest]]:
    crowd, guests = Crowd(most), [Guest() for _ in range(most)]
    for at, guest in enumerate(guests):
        assert crowd.enter(guest, now=at)
    return crowd, guests


def gone(guests: list[Guest]) -> list[int]:
    return [at for at, guest in enumerate(guests) if not guest.present]


def test_the_oldest_head_goes_first() -> None:
    crowd, guests = full(4)
    crowd.owes(guests[0], None, now=4)  # its request is being answered
    crowd.owes(guests[1], "head", now=4)  # a byte more of a head buys no time
    assert crowd.enter(Guest(), now=5)
    assert gone(guests) == [1]


def test_a_transfer_that_stands_still_goes_before_a_head_that_may_come_yet() -> None:
    crowd, guests = full(3)
    crowd.owes(guests[0], "move", now=7)
    crowd.owes(guests[1], "move", now=8)
    crowd.owes(guests[2], "head", now=8)
    crowd.leave(guests[2])
    assert crowd.enter(young := Guest(), now=9.5)
    assert crowd.enter(Guest(), now=9.6)
    assert (gone(guests), young.present) == ([0], True)


def test_transfers_that_move_and_answers_being_made_stay() -> None:
    crowd, guests = full(2)
    crowd.owes(guests[0], None, now=8)
    crowd.owes(guests[1], "move", now=8)
    crowd.owes(guests[1], "move", now=9.9)
    assert not crowd.enter(Guest(), now=10)
    assert gone(guests) == []


def test_who_has_left_makes_room() -> None:
    crowd, guests = full(2)
    for guest in guests:
        crowd.owes(guest, None, now=2)
    crowd.leave(guests[0])
    crowd.owes(guests[0], "head", now=3)  # too late to count
    assert crowd.enter(Guest(), now=3)
    assert not crowd.enter(Guest(), now=3) or gone(guests) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["enter", "leave", "head", "move", None]))))
def test_there_are_never_too_many(steps: list[tuple[int, str | None]]) -> None:
    crowd, guests = Crowd(3), [Guest() for _ in range(10)]
    inside: set[int] = set()
    for now, (who, what) in enumerate(steps):
        if what == "enter" and who not in inside:
            guests[who].present = True
            if crowd.enter(guests[who], now=now):
                inside.add(who)
        elif what == "leave":
            crowd.leave(guests[who])
            inside.discard(who)
        elif what in ("head", "move", None):
            crowd.owes(guests[who], what, now=now)  # type: ignore[arg-type]
        inside = {at for at in inside if guests[at].present}
        assert len(inside) <= 3
