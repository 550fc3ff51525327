"""Thirty writers of one document's relations at once: nobody is told of the others, and in the end is written what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.door.client import Door, Refused
from tests.door.conftest import Serve
from tests.door.service import Service
from tests.door.workspace import WORKSPACE, Office, access_door, tuples

WRITERS = 30
SECONDS = 30.0
CALLS_MIN = 300
"""Of all writers together: fewer are no crowd."""
OWN, SHARED = 4, 3
"""Tuples of each writer alone; of all of them in each way."""
IGNORE = 2


@dataclass(frozen=True)
class Done:
    """An acknowledged call on a tuple of all writers."""

    added: bool
    began_seconds: float
    ended_seconds: float


@dataclass
class Writer:
    """One of them, and what it was told."""

    number: int
    door: Door
    document: str
    dice: random.Random
    own: set[str] = field(default_factory=set)
    """Its tuples that are written."""
    strict: Counter[str] = field(default_factory=Counter)
    """Tuples of all, of which each change is acknowledged to one: how many more times it added them than it took them away."""
    loose: dict[str, list[Done]] = field(default_factory=lambda: defaultdict(list))
    """Tuples of all of which nobody minds whether they are there."""
    calls: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    wrong: list[Refused] = field(default_factory=list)

    def run(self, gate: threading.Barrier, seconds: float) -> None:
        """Until the time is over."""
        gate.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.wrong:
            self.dice.choice((self.change_own, self.change_strict, self.change_loose, self.change_both))()

    def change_own(self) -> None:
        """Some of its own, added and taken away in one call."""
        chosen = {f"own{self.number}-{n}" for n in self.dice.sample(range(OWN), 2)}
        if self.call(chosen - self.own, chosen & self.own):
            self.own ^= chosen

    def change_strict(self) -> None:
        """One of all, with the documented refusal where another was quicker."""
        one, added = self.one("strict"), self.dice.random() < 0.5
        if self.call({one} if added else set(), set() if added else {one}, refusals={"RELATION_EXISTS" if added else "RELATION_NOT_FOUND"}):
            self.strict[one] += 1 if added else -1

    def change_loose(self) -> None:
        """Several of all; that it is done already is no refusal."""
        names, added = {self.one("loose") for _ in range(2)}, self.dice.random() < 0.5
        began = time.monotonic()
        if self.call(names if added else set(), set() if added else names, on_duplicate=IGNORE, on_missing=IGNORE):
            for name in names:
                self.loose[name].append(Done(added, began, time.monotonic()))

    def change_both(self) -> None:
        """One of its own and one of all: both or none."""
        mine, one = f"own{self.number}-{self.dice.randrange(OWN)}", self.one("strict")
        added, shared = ({one}, set()) if self.dice.random() < 0.5 else (set[str](), {one})
        writes, deletes = (added | {mine}, shared) if mine not in self.own else (added, shared | {mine})
        if self.call(writes, deletes, refusals={"RELATION_EXISTS" if added else "RELATION_NOT_FOUND"}):
            self.own ^= {mine}
            self.strict[one] += 1 if added else -1

    def one(self, kind: str) -> str:
        """Somebody of a kind, who others may choose too."""
        return f"{kind}{self.dice.randrange(SHARED)}"

    def call(self, writes: set[str], deletes: set[str], refusals: AbstractSet[str] = frozenset(), **choice: int) -> bool:
        """Whether it was acknowledged."""
        try:
            self.door.WriteRelations(writes=self.tuples(writes), deletes=self.tuples(deletes), **choice)
        except Refused as refusal:
            self.calls[refusal.reason] += 1
            if refusal.reason not in refusals:
                self.wrong.append(refusal)
            return False
        self.calls["OK"] += 1
        return True

    def tuples(self, users: set[str]) -> list[dict[str, Any]]:
        """Readers of the document."""
        named = self.dice.sample(sorted(users), len(users))  # Not all in one order.
        return list(tuples(*(f"{self.document}#reader@users/{one}" for one in named)))


@pytest.fixture
def office(serve: Serve) -> Iterator[tuple[Service, Office]]:
    """An office with a server of its own."""
    service = serve(WORKSPACE)
    with Office.of(service, "crowd") as office:
        yield service, office


def test_auth_21_thirty_writers_of_one_document_see_no_error_and_what_is_acknowledged_is_written(office: tuple[Service, Office]) -> None:
    service, place = office
    editors = [f"editor{n}" for n in range(WRITERS // 2)]
    place.give(*(f"{place.document}#editor@users/{one}" for one in editors))
    gate = threading.Barrier(WRITERS)
    subjects = [*editors, *["keeper"] * (WRITERS - len(editors))]
    writers = [
        Writer(number, access_door(service, subject), place.document, random.Random(number)) for number, subject in enumerate(subjects)
    ]
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda writer: writer.run(gate, SECONDS), writers))
    finally:
        for writer in writers:
            writer.door.close()
    assert [refusal for writer in writers for refusal in writer.wrong] == []
    calls = sum((writer.calls for writer in writers), Counter[str]())
    assert calls["OK"] >= CALLS_MIN
    assert {"RELATION_EXISTS", "RELATION_NOT_FOUND"} < set(calls)
    check(place, writers)


def check(place: Office, writers: list[Writer]) -> None:
    """What is written is what was acknowledged."""
    found = place.access.ReadRelations(filter={"resource": place.document, "relation": "reader"}, page_size=1_000).tuples
    held = {one.subject.partition("/")[2] for one in found}
    assert {one for one in held if one.startswith("own")} == {one for writer in writers for one in writer.own}
    for number in range(SHARED):
        added = sum(writer.strict[f"strict{number}"] for writer in writers)
        assert added == (f"strict{number}" in held), "added and taken away in turn"
        done = [one for writer in writers for one in writer.loose[f"loose{number}"]]
        latest = max(one.began_seconds for one in done)
        assert (f"loose{number}" in held) in {one.added for one in done if one.ended_seconds >= latest}
