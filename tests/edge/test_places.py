"""Places that one principal cannot have all of."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable

import pytest

from protoplane.edge.places import Places


def places_of(count: int) -> Places[str]:
    return Places(count, lambda call: call[0])


def filled(count: int, principal: str) -> tuple[Places[str], list[str]]:
    """Places that one principal took as many of as it could; and its calls there."""
    places = places_of(count)
    return places, [call for call in (f"{principal}{number}" for number in range(count + 1)) if places.take(call)]


@pytest.mark.parametrize(("count", "most"), [(1, 1), (3, 3), (4, 3), (8, 7), (16, 14), (64, 56)])
def test_one_principal_gets_all_but_an_eighth(count: int, most: int) -> None:
    places, calls = filled(count, "a")
    assert len(places) == len(calls) == most


def test_the_rest_is_for_others_and_comes_free_again() -> None:
    places, _ = filled(4, "a")
    assert places.take("b0")
    assert not places.take("c0")
    places.leave("a1")
    assert places.take("a9")
    places.leave("b0")
    assert not places.take("a8")
    assert len(places) == 3


def test_a_place_is_passed_on_to_the_next_that_may_have_it() -> None:
    places, (first, *_) = filled(4, "a")
    waiting = deque(["a7", "b7"])

    def source(held: Callable[[Hashable], bool] | None) -> str | None:
        found = next((call for call in waiting if held is None or not held(call[0])), None)
        if found is not None:
            waiting.remove(found)
        return found

    assert places.fill(source) == "b7"
    assert places.fill(source) is None, "all are taken"
    assert places.pass_on("b7", source) is None, "the last one is not for those who have the rest"
    assert places.pass_on(first, source) == "a7"
    assert len(places) == 3


def test_many_at_once_get_no_more_than_there_are() -> None:
    for _ in range(50):
        places, begin, got = places_of(8), threading.Barrier(4), deque[str]()

        def take(mine: int, places: Places[str] = places, begin: threading.Barrier = begin, got: deque[str] = got) -> None:
            begin.wait(5)
            got.extend(call for call in (f"a{mine}-{number}" for number in range(8)) if places.take(call))

        threads = [threading.Thread(target=take, args=(mine,)) for mine in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == len(places) == 7
