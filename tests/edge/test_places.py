"""Places that one principal cannot have all of."""

from __future__ import annotations

import pytest

from protoplane.edge.places import Places


def filled(count: int, principal: str) -> tuple[Places[str], int]:
    """Places that one principal took as many of as it could; and how many those are."""
    places: Places[str] = Places(count, lambda call: call[0])
    for number in range(count + 1):
        if not places.occupy():
            break
        if places.scarce and places.is_held(principal):
            places.leave()
            break
        places.begin(f"{principal}{number}")
    return places, len(places)


@pytest.mark.parametrize(("count", "most"), [(1, 1), (3, 3), (4, 3), (8, 7), (16, 14), (64, 56)])
def test_one_principal_gets_all_but_an_eighth(count: int, most: int) -> None:
    assert filled(count, "a")[1] == most


def test_the_rest_is_for_others_and_comes_free_again() -> None:
    places, _ = filled(4, "a")
    assert places.occupy()
    assert not places.is_held("b")
    places.begin("b0")
    assert not places.occupy()
    places.end("a1")
    places.leave()
    assert not places.is_held("a")
    assert len(places) == 3
